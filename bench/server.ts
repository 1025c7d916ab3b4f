import { chown, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { generate } from "selfsigned";
import { startLocal, stopLocal } from "../lib/embedded/index.ts";
import { splitStatements } from "../lib/sql/index.ts";

export interface Database {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** What reached one database. */
export interface Traffic {
  readonly connections: number;
  /** Messages with SQL. One may hold several statements. */
  readonly requests: number;
  readonly statements: number;
}

/** A real Postgres with the durability it is shipped with, on the disk of the temporary folder. */
export interface Server {
  /** PEM of its certificate, which it has signed itself. */
  readonly ca: string;
  /** The version and the settings that matter to a benchmark. */
  readonly settings: string;
  /**
   * Makes an empty database, with no writes left over from earlier work. None is dropped before the end: after many
   * files were deleted, ext4 took up to three times as long to make new ones.
   */
  createDatabase(): Promise<Database>;
  query(database: Database, sql: string): Promise<readonly pg.QueryResultRow[]>;
  /** Counts the sessions on the database while `work` runs. @returns the most at one time */
  peakSessions(database: Database, work: () => Promise<unknown>): Promise<number>;
  /** Logs what reaches the database while `work` runs. The log costs time, so `work` is not timed. */
  countTraffic(database: Database, work: () => Promise<unknown>): Promise<Traffic>;
  stop(): Promise<void>;
}

/** Every entry of the log begins with the name of the database. */
const serverSettings = { log_line_prefix: "@%d@", log_connections: "on" };

export async function startServer(): Promise<Server> {
  const projectDir = await mkdtemp(join(tmpdir(), "cdk-pg-migrate-bench-"));
  const { connection, dataDir, logFile } = await startLocal({
    projectDir,
    database: "postgres",
    serverSettings,
  });
  const { host, port, user, password } = connection;
  const admin = await connect({ host, port, user, password, database: "postgres" });
  const ca = await enableTls(admin, dataDir);
  let databases = 0;
  return {
    ca,
    settings: await readSettings(admin),
    async createDatabase() {
      databases += 1;
      const database = `bench_${databases}`;
      await admin.query(`CREATE DATABASE ${database}`);
      await admin.query("CHECKPOINT");
      return { host, port, user, password, database };
    },
    async query(database, sql) {
      const client = await connect(database);
      try {
        return (await client.query<pg.QueryResultRow>(sql)).rows;
      } finally {
        await client.end();
      }
    },
    peakSessions: ({ database }, work) => peakSessions(admin, database, work),
    async countTraffic({ database }, work) {
      const { size } = await stat(logFile);
      await admin.query(`ALTER DATABASE ${database} SET log_statement = 'all'`);
      await work();
      await admin.query(`ALTER DATABASE ${database} RESET log_statement`);
      return trafficOf((await readFile(logFile)).subarray(size).toString("utf8"), database);
    },
    async stop() {
      await admin.end();
      await stopLocal({ projectDir });
      // Where the server's user cannot read the temporary folder, the data is elsewhere.
      for (const folder of [dataDir, projectDir]) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function peakSessions(
  admin: pg.Client,
  database: string,
  work: () => Promise<unknown>,
): Promise<number> {
  let highest = 0;
  let ended = false;
  const end = () => {
    ended = true;
  };
  const working = work();
  working.then(end, end);
  while (!ended) {
    const { rows } = await admin.query<{ sessions: number }>(
      "SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'",
      [database],
    );
    highest = Math.max(highest, rows[0]?.sessions ?? 0);
    await sleep(20);
  }
  await working;
  return highest;
}

async function connect(database: Database): Promise<pg.Client> {
  const client = new pg.Client({ ...database, ssl: false });
  await client.connect();
  return client;
}

/** The deployed functions refuse a server without TLS. The files have the names that Postgres looks for. */
async function enableTls(admin: pg.Client, dataDir: string): Promise<string> {
  const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true },
      { name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] },
    ],
  });
  const { uid, gid } = await stat(dataDir);
  for (const [name, text] of [
    ["server.crt", cert],
    ["server.key", key],
  ] as const) {
    await writeFile(join(dataDir, name), text, { mode: 0o600 });
    await chown(join(dataDir, name), uid, gid);
  }
  await admin.query("ALTER SYSTEM SET ssl = on");
  await admin.query("SELECT pg_reload_conf()");
  while ((await admin.query<{ ssl: string }>("SHOW ssl")).rows[0]?.ssl !== "on") await sleep(20);
  return cert;
}

async function readSettings(admin: pg.Client): Promise<string> {
  const { rows } = await admin.query<{ settings: string }>(
    `SELECT string_agg(name || ' ' || setting, ', ' ORDER BY name) AS settings FROM pg_settings
     WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers')`,
  );
  return rows[0]?.settings ?? "";
}

/** The server writes an entry before it does what the entry says: nothing is missing once the client has ended. */
export function trafficOf(log: string, database: string): Traffic {
  const entries = log.split(/^@(?=\w*@)/m).flatMap((entry) => {
    const prefix = `${database}@LOG:  `;
    return entry.startsWith(prefix) ? [entry.slice(prefix.length)] : [];
  });
  const texts = entries.flatMap((entry) => /^(?:statement|execute [^:]+): ([\s\S]*)$/.exec(entry)?.[1] ?? []);
  return {
    connections: entries.filter((entry) => entry.startsWith("connection authorized")).length,
    requests: texts.length,
    statements: texts.reduce((total, text) => total + splitStatements(text).length, 0),
  };
}

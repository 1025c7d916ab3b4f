import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { startLocal, stopLocal } from "../lib/cli/local/index.ts";
import { serverUser } from "../lib/cli/local/server-user.ts";
import { splitStatements } from "../lib/migrator/sql/split.ts";
import { makeAuthority, makeCertificate } from "../test/support/tls.ts";
import { openStatementLog } from "./statement-log.ts";

const ADMIN = "bench";

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** A real Postgres with the settings it is shipped with, on the machine's disk. */
export interface Server {
  readonly address: Address;
  /** PEM of the authority that signed its certificate. */
  readonly ca: string;
  /** Of the settings that matter to a benchmark. */
  readonly settings: string;
  /**
   * Makes an empty database, with nothing left to write from what was before. None is dropped before the end: where
   * many files were deleted, ext4 took up to three times as long to make new ones.
   */
  fresh(): Promise<Address>;
  query(address: Address, sql: string): Promise<pg.QueryResultRow[]>;
  /** Runs `work` and counts the statements that came to the database meanwhile. */
  count(address: Address, work: () => Promise<unknown>): Promise<number>;
  stop(): Promise<void>;
}

export async function startServer(): Promise<Server> {
  const projectDir = await mkdtemp(join(tmpdir(), "cdk-pg-migrate-bench-"));
  // The server's user has to reach its certificate.
  await chmod(projectDir, 0o711);
  const { authority, settings: tls } = await makeTls(projectDir);
  // A log in JSON is what statements are counted in; nothing is written to it while time is taken.
  const serverSettings = { ...tls, logging_collector: "on", log_destination: "jsonlog" };
  const { connection, dataDir } = await startLocal({ projectDir, database: "postgres", serverSettings });
  const { host, port, user, password } = connection;
  const address = { host, port, user, password, database: "postgres" };
  const admin = await connectTo(address);
  let made = 0;
  return {
    ...{ address, ca: authority },
    settings: await readSettings(admin),
    async fresh() {
      made += 1;
      const database = `bench_${made}`;
      await admin.query(`CREATE DATABASE ${database}`);
      await admin.query("CHECKPOINT");
      return { ...address, database };
    },
    query: async (where, sql) => query(where, sql),
    async count({ database }, work) {
      await admin.query(`ALTER DATABASE ${database} SET log_statement = 'all'`);
      const log = await openStatementLog(admin, join(dataDir, await currentLog(admin)));
      await work();
      await admin.query(`ALTER DATABASE ${database} RESET log_statement`);
      const texts = await log.read(database, ADMIN);
      // One text may hold several statements.
      return texts.reduce((total, text) => total + splitStatements(text).length, 0);
    },
    async stop() {
      await admin.end();
      await stopLocal({ projectDir });
      await rm(projectDir, { recursive: true, force: true });
    },
  };
}

async function makeTls(projectDir: string) {
  const authority = await makeAuthority();
  const { key, cert } = await makeCertificate(authority);
  const folder = join(projectDir, "tls");
  const [certFile, keyFile] = [join(folder, "server.crt"), join(folder, "server.key")];
  await mkdir(folder, { mode: 0o755 });
  await writeFile(certFile, cert);
  await writeFile(keyFile, key, { mode: 0o600 });
  const user = serverUser();
  if (user !== undefined) await chown(keyFile, user.uid, user.gid);
  return {
    authority: authority.cert,
    settings: { ssl: "on", ssl_cert_file: certFile, ssl_key_file: keyFile },
  };
}

/** Relative to the data folder. */
async function currentLog(admin: pg.Client): Promise<string> {
  const { rows } = await admin.query<{ file: string }>("SELECT pg_current_logfile('jsonlog') AS file");
  const [row] = rows;
  if (row === undefined) throw new Error("the server keeps no JSON log");
  return row.file;
}

async function readSettings(admin: pg.Client): Promise<string> {
  const names = ["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers"];
  const { rows } = await admin.query<{ name: string; value: string }>(
    "SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name",
    [names],
  );
  return rows.map(({ name, value }) => `${name} ${value}`).join(", ");
}

async function query(address: Address, sql: string): Promise<pg.QueryResultRow[]> {
  const client = await connectTo(address);
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function connectTo(address: Address): Promise<pg.Client> {
  const client = new pg.Client({ ...address, ssl: false, application_name: ADMIN });
  await client.connect();
  return client;
}

import { randomBytes } from "node:crypto";
import { chown, cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import pg from "pg";
import { findBinaries, runnableNative } from "../../lib/embedded/binaries.ts";
import type { LocalServer } from "../../lib/embedded/index.ts";
import { choosePort, launch } from "../../lib/embedded/launch.ts";
import { findPostmaster } from "../../lib/embedded/postmaster.ts";
import { serverUser } from "../../lib/embedded/server-user.ts";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { packageOf } from "./postgres.ts";

export interface Standby {
  readonly connection: ConnectionSettings;
  stop(): Promise<void>;
}

/**
 * A standby of an embedded server, which streams from it. It is made as pg_basebackup does it: the embedded packages have
 * only the server.
 */
export async function startStandby(
  { connection, dataDir, major }: LocalServer,
  settings: Readonly<Record<string, string>>,
): Promise<Standby> {
  const data = join(dirname(dataDir), `standby-${randomBytes(4).toString("hex")}`);
  await copyData(connection, dataDir, data);
  const { host, user, password } = connection;
  const conninfo = `host=${host} port=${connection.port} user=${user} password=${password} application_name=standby`;
  const native = await runnableNative(await findBinaries(dirname(dataDir), packageOf(major)));
  const address = { ...connection, port: await choosePort(data, undefined) };
  await launch({
    ...{ native, data, connection: address, logFile: join(dirname(dataDir), "standby.log") },
    settings: { ...settings, primary_conninfo: conninfo },
  });
  return {
    connection: address,
    async stop() {
      const postmaster = await findPostmaster(data);
      if (postmaster !== undefined) process.kill(postmaster.pid, "SIGQUIT");
      await rm(data, { recursive: true, force: true });
    },
  };
}

async function copyData(connection: ConnectionSettings, from: string, to: string): Promise<void> {
  const { host, port, database, user, password } = connection;
  const client = new pg.Client({ host, port, database, user, password, ssl: false });
  await client.connect();
  try {
    await client.query("SELECT pg_backup_start('standby', true)");
    await mkdir(to, { mode: 0o700 });
    const isLeftOut = (path: string) => path.endsWith("postmaster.pid") || path.includes("/pg_replslot/");
    await cp(from, to, { recursive: true, preserveTimestamps: true, filter: (path) => !isLeftOut(path) });
    const { rows } = await client.query<{ labelfile: string }>("SELECT labelfile FROM pg_backup_stop(false)");
    await writeFile(join(to, "backup_label"), rows[0]?.labelfile ?? "");
    await writeFile(join(to, "standby.signal"), "");
  } finally {
    await client.end();
  }
  await giveAll(to);
}

/** Postgres does not run as root. */
async function giveAll(folder: string): Promise<void> {
  const owner = serverUser();
  if (owner === undefined) return;
  for (const path of ["", ...(await readdir(folder, { recursive: true }))])
    await chown(join(folder, path), owner.uid, owner.gid);
}

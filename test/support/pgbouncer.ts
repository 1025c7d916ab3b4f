import { spawn } from "node:child_process";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { serverUser } from "../../lib/embedded/server-user.ts";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import type { Pooler, PoolerOptions } from "./pooler.ts";
import { findProgram } from "./programs.ts";

/** Path of PgBouncer, where this machine has it. */
export const PGBOUNCER = findProgram(["pgbouncer"], ["/usr/sbin"]);

/** The real PgBouncer before a server; it lets everybody in without a password. */
export async function startPgBouncer(
  target: ConnectionSettings,
  { mode, size }: Omit<PoolerOptions, "passesKey">,
): Promise<Pooler> {
  if (PGBOUNCER === undefined) throw new Error("PgBouncer is not installed");
  const [folder, port] = [await mkdtemp(join(tmpdir(), "cdk-pg-migrate-pgbouncer-")), await freePort()];
  const { host, user, password } = target;
  const files = { ini: join(folder, "pgbouncer.ini"), users: join(folder, "users.txt") };
  await writeFile(files.users, `"${user}" "${password}"\n`);
  await writeFile(
    files.ini,
    `[databases]
* = host=${host} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${files.users}
pool_mode = ${mode}
default_pool_size = ${size}
`,
  );
  // It refuses to run as root.
  const owner = serverUser();
  if (owner !== undefined) {
    for (const path of [folder, ...Object.values(files)]) await chown(path, owner.uid, owner.gid);
    await chmod(folder, 0o700);
  }
  const identity = owner === undefined ? {} : { uid: owner.uid, gid: owner.gid };
  const child = spawn(PGBOUNCER, ["-q", files.ini], { stdio: "ignore", ...identity });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const connection = { ...target, host: "127.0.0.1", port };
  await waitUntilReady(connection);
  return {
    connection,
    close: async () => {
      child.kill("SIGKILL");
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

async function waitUntilReady({ host, port, database, user }: ConnectionSettings): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const client = new pg.Client({ host, port, database, user, ssl: false });
    client.on("error", () => {});
    try {
      await client.connect();
      return await client.end();
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

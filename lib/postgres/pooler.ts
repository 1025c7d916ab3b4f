import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { given, MigrationError, resolveOptions } from "../core/index.ts";
import { cancelled } from "./cancel.ts";
import type { ConnectionSettings } from "./client.ts";
import { connectOnce, cutConnection, cuttingOnAbort, endClient, type SessionOptions } from "./connect.ts";
import { connectionError } from "./failure.ts";
import { ENGINE_PATH, type SessionFacts } from "./session-settings.ts";

/**
 * The process id that the server sends at login. On a direct connection it equals `pg_backend_pid()`; a pooler handles
 * the login itself, and usually sends another number.
 */
export function announcedPid(client: pg.Client): number | undefined {
  const pid: unknown = Reflect.get(client, "processID");
  return typeof pid === "number" ? pid : undefined;
}

/** Whether the connection ends in this process for the server, too. False through a pooler or an address translation. */
export function isDirect(client: pg.Client, { pid, clientPort }: SessionFacts): boolean {
  const localPort: unknown = Reflect.get(client.connection.stream, "localPort");
  return pid === announcedPid(client) && clientPort === localPort;
}

/**
 * Refuses a pooler that gives a server connection to several clients at the same time (transaction or statement
 * pooling). Advisory locks and settings belong to the server connection: through such a pooler two runs would both hold
 * the migration lock, and other clients would meet this run's settings.
 *
 * A second client finds out: with session pooling it never gets the server connection of the first one, which stays
 * connected.
 * @param pid of the server connection that answered the first statement
 * @throws MigrationError `POOLER`
 */
export async function requireSessionPooling(
  setup: SessionOptions,
  client: pg.Client,
  pid: number,
): Promise<void> {
  const second = await connectSecond(setup);
  try {
    for (let round = 1; round <= ROUNDS; round += 1) {
      const found = await compare(setup, { client, second, pid });
      if (found === "shared") throw sharedBackend();
      if (found === "reserved") return;
    }
  } finally {
    await endClient(second);
  }
}

/** Attempts, because other clients of the pool can hide the result of one. */
const ROUNDS = 5;

interface Pair {
  readonly client: pg.Client;
  readonly second: pg.Client;
  readonly pid: number;
}

/**
 * - `shared`: both clients got the same server connection, or the first client got several
 * - `reserved`: the first client has a server connection to itself
 * - `unlike`: they got different ones in this round
 */
type Comparison = "shared" | "reserved" | "unlike";

async function compare({ signal }: SessionOptions, { client, second, pid }: Pair): Promise<Comparison> {
  const first = () => cuttingOnAbort(client, signal, () => backendPid(client));
  // Twice in a row: a pool that hands out two connections in turn would always give each client the same one.
  if ((await first()) !== pid || (await first()) !== pid) return "shared";
  // Statement pooling may end the second client's connection.
  const other = cuttingOnAbort(second, signal, () => backendPid(second)).catch(() => pid);
  const judge = (met: number | undefined) => (met === pid ? "shared" : "unlike");
  const met = await soon(other, ANSWER_MS);
  if (met !== undefined) return judge(met);
  // A pool without a free server connection lets the second client wait. If the first client gets its answer earlier, it
  // has a server connection to itself.
  if ((await first()) !== pid) return "shared";
  const late = await soon(other, GRACE_MS);
  return late === undefined ? "reserved" : judge(late);
}

const ANSWER_MS = 500;
const GRACE_MS = 100;

async function soon<T>(answer: Promise<T>, milliseconds: number): Promise<T | undefined> {
  return Promise.race([answer, sleep(milliseconds, undefined, { ref: false })]);
}

async function connectSecond(setup: SessionOptions): Promise<pg.Client> {
  try {
    return await connectOnce(setup);
  } catch (cause) {
    if (setup.signal?.aborted) throw cause;
    throw new MigrationError(
      "POOLER",
      "the connection goes through a pooler, and no second connection could be made to find out whether it gives each client a server connection of its own",
      { hint: HINT, cause },
    );
  }
}

/** A separate statement, which a pooler may send to any of its server connections. */
async function backendPid(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>("SELECT pg_catalog.pg_backend_pid() AS pid");
  return rows[0]?.pid;
}

/** The error for a pooler that lets several clients share a server connection. */
export function sharedBackend(cause?: unknown): MigrationError {
  return new MigrationError(
    "POOLER",
    "the connection goes through a pooler that shares server connections between clients (transaction or statement pooling)",
    { hint: HINT, ...given({ cause }) },
  );
}

const HINT =
  "Connect to the server directly, or through a pool in session mode (PgBouncer: pool_mode = session; hosted databases have another host or port for it). Migrations need a server connection of their own for the lock and the settings.";

/**
 * Opens another connection beside the session of the engine, in the same way and with the same refusals. Its search path
 * holds only built-in operators and functions. End it with `closeClient`.
 * @param signal ends the connection at once
 * @throws MigrationError with a connection code
 */
export async function openClient(
  connection: ConnectionSettings,
  applicationName: string,
  signal?: AbortSignal,
): Promise<pg.Client> {
  const setup = { connection, applicationName, options: resolveOptions({}), observe: () => {}, signal };
  try {
    const client = await connectOnce(setup);
    signal?.addEventListener("abort", () => cutConnection(client), { once: true });
    const pid = await backendPid(client);
    if (pid !== undefined && pid !== announcedPid(client)) await requireSessionPooling(setup, client, pid);
    await client.query(`SET search_path = ${ENGINE_PATH}`);
    return client;
  } catch (error) {
    throw signal?.aborted ? cancelled(signal, error) : connectionError(error, connection);
  }
}

/** Ends such a connection, and resets it for a pool. */
export async function closeClient(client: pg.Client): Promise<void> {
  await client.query("DISCARD ALL").catch(() => {});
  await endClient(client);
}

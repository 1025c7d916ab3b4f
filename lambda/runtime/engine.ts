import { setTimeout as sleep } from "node:timers/promises";
import { MigrationError, type MigratorOptions, type Provenance, TOOL } from "../../lib/core/index.ts";
import { Migrator } from "../../lib/engine/index.ts";
import { LIMITS } from "../contract.ts";
import { adviseOnAws } from "./advice.ts";
import type { AssetSource } from "./asset.ts";
import { fetchCredentials } from "./credentials.ts";
import type { Invocation } from "./invocation.ts";
import { logProgress } from "./progress.ts";
import type { Settings } from "./settings.ts";
import { stoppedByStrayErrors } from "./stray-errors.ts";
import { readTls } from "./tls.ts";

/** What a door opens an engine with. */
export interface EngineSetup {
  readonly settings: Settings;
  readonly source: AssetSource;
  readonly origin: "deploy" | "command";
  readonly actor: string;
}

/** Kept of the time, when a deploy waits for another run: to connect, and to say who holds the lock. */
const CONNECTING_MS = 15_000;

/** A rotation changes the password in the database a moment before the secret says so. */
const ROTATION_MS = 3_000;

/**
 * Does `work` with an engine, as the user whom the secret names now. When the server refuses the password, the secret
 * has probably just been rotated: it is asked for once more. Nothing was run by then.
 * @throws MigrationError
 */
export async function withEngine<T>(
  invocation: Invocation,
  setup: EngineSetup,
  work: (migrator: Migrator) => Promise<T>,
): Promise<T> {
  try {
    return await once(invocation, setup, work).catch(async (error: unknown) => {
      if (!isWrongPassword(error)) throw error;
      invocation.log.warn("the server refused the password; asking for the secret again");
      await sleep(ROTATION_MS);
      return once(invocation, setup, work);
    });
  } catch (error) {
    throw error instanceof MigrationError ? adviseOnAws(error) : error;
  }
}

async function once<T>(
  invocation: Invocation,
  { settings, source, origin, actor }: EngineSetup,
  work: (migrator: Migrator) => Promise<T>,
): Promise<T> {
  const { host, port, database, revision } = settings;
  const tls = await readTls(settings.caFile, settings.root);
  const { username: user, password } = await fetchCredentials(settings.secretArn);
  invocation.redactor.hide(password);
  const provenance: Provenance = { actor, origin, revision, bundle: source.manifest.hash, tool: TOOL };
  const stop = new AbortController();
  const migrator = new Migrator({
    connection: { host, port, database, user, password, tls },
    source,
    provenance,
    options: { ...patience(origin, invocation), ...settings.options },
    observe: logProgress(invocation.log),
    deadline: invocation.deadline,
    signal: stop.signal,
  });
  return stoppedByStrayErrors(
    (error) => stop.abort(error),
    () => work(migrator),
  );
}

/**
 * CDK's framework calls twice when it is unsure: the second call of a deploy waits for the first as long as it can. A
 * deploy waits for the database as well: a failover or a paused cluster takes a minute, and a failed deploy far longer.
 */
function patience(origin: EngineSetup["origin"], { deadline }: Invocation): MigratorOptions {
  if (origin === "command") return { databaseWaitMs: LIMITS.commandDatabaseWait * 1_000 };
  return {
    lockWaitMs: Math.max(0, deadline - Date.now() - CONNECTING_MS),
    databaseWaitMs: LIMITS.deployDatabaseWait * 1_000,
  };
}

/** SQLSTATE 28P01: the one refusal that a fresh secret can cure. */
function isWrongPassword(error: unknown): boolean {
  return error instanceof MigrationError && error.code === "AUTH" && error.details.sqlstate === "28P01";
}

import { setTimeout as sleep } from "node:timers/promises";
import {
  MigrationError,
  type MigratorOptions,
  type Observer,
  type Provenance,
  type RunEvent,
  TOOL,
} from "../../lib/core/index.ts";
import { Migrator } from "../../lib/engine/index.ts";
import { describeSession } from "../../lib/postgres/index.ts";
import { LIMITS } from "../contract.ts";
import { adviseOnAws } from "./advice.ts";
import type { AssetSource } from "./asset.ts";
import { fetchCredentials, readTls } from "./connection.ts";
import type { Invocation, Log, LogFields } from "./invocation.ts";
import type { Settings } from "./settings.ts";
import { stoppedByStrayErrors } from "./stray-errors.ts";

/** What a handler runs the engine with. */
export interface EngineSetup {
  readonly settings: Settings;
  readonly source: AssetSource;
  readonly origin: "deploy" | "command";
  readonly actor: string;
}

/** Reserved when a deploy waits for another run: the time to connect, and to name the lock holder. */
const CONNECTING_MS = 15_000;

/** A rotation changes the password in the database before it changes the secret. */
const ROTATION_MS = 3_000;

/**
 * Runs `work` with an engine that connects as the user of the secret. If the server refuses the password, the secret was
 * probably just rotated: it is fetched once more, which is safe because nothing has run by then.
 * @throws MigrationError
 */
export async function withEngine<T>(
  invocation: Invocation,
  setup: EngineSetup,
  work: (migrator: Migrator) => Promise<T>,
): Promise<T> {
  try {
    return await attempt(invocation, setup, work).catch(async (error: unknown) => {
      if (!isWrongPassword(error)) throw error;
      invocation.log.warn("the server refused the password; asking for the secret again");
      await sleep(ROTATION_MS);
      return attempt(invocation, setup, work);
    });
  } catch (error) {
    throw error instanceof MigrationError ? adviseOnAws(error) : error;
  }
}

async function attempt<T>(
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
    options: { ...waitsOf(origin, invocation), ...settings.options },
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
 * CDK's framework may invoke a deploy twice: the second invocation waits for the first as long as it can. A deploy waits
 * for the database too: a failover or a paused cluster takes a minute, a failed deploy costs far more.
 */
function waitsOf(origin: EngineSetup["origin"], { deadline }: Invocation): MigratorOptions {
  if (origin === "command") return { databaseWaitMs: LIMITS.commandDatabaseWait * 1_000 };
  return {
    lockWaitMs: Math.max(0, deadline - Date.now() - CONNECTING_MS),
    databaseWaitMs: LIMITS.deployDatabaseWait * 1_000,
  };
}

/** SQLSTATE 28P01, the one refusal that a newer secret can resolve. */
function isWrongPassword(error: unknown): boolean {
  return error instanceof MigrationError && error.code === "AUTH" && error.details.sqlstate === "28P01";
}

/** Logs the events of a run, without any SQL. */
function logProgress(log: Log): Observer {
  return (event) => {
    // Building SQL takes almost no time. The work of a migration is between its started and finished.
    if (event.type === "building" || event.type === "built") return;
    const [level, message, fields] = describe(event);
    log[level](message, fields);
  };
}

type Line = readonly [level: "info" | "warn" | "error", message: string, fields?: LogFields];

function describe(event: Exclude<RunEvent, { type: "building" | "built" }>): Line {
  switch (event.type) {
    case "started":
      return ["info", `${event.direction} ${event.migration}: started`];
    case "finished":
      return ["info", `${event.direction} ${event.migration}: finished`, { durationMs: event.durationMs }];
    case "failed":
      return ["error", `${event.direction} ${event.migration}: failed`];
    case "lock-wait": {
      const holder = event.holder === null ? null : describeSession(event.holder);
      return [
        "warn",
        "another run holds the migration lock; waiting for it",
        { holder, waitMs: event.waitMs },
      ];
    }
    case "blocked":
      return ["warn", "a statement waits for other sessions", { blockers: event.by.map(describeSession) }];
    case "retry": {
      const { attempt, waitMs, reason } = event;
      return ["warn", `${event.migration} is tried again`, { attempt, waitMs, reason }];
    }
    case "notice":
      return ["info", "the server says", { severity: event.severity, notice: event.message }];
    case "server-starting":
      return ["info", "waiting for the server", { reason: event.message }];
    case "warning":
      return ["warn", event.message];
  }
}

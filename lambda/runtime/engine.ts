import { setTimeout as sleep } from "node:timers/promises";
import {
  type ConnectionSettings,
  DEFAULTS,
  given,
  MigrationError,
  type MigratorOptions,
  type Provenance,
  resolveOptions,
  TOOL,
} from "../../lib/core/index.ts";
import { type DeployKnowledge, Migrator } from "../../lib/engine/index.ts";
import { Session } from "../../lib/postgres/index.ts";
import { LIMITS } from "../contract.ts";
import { adviseOnAws } from "./advice.ts";
import type { AssetSource } from "./asset.ts";
import { type Credentials, credentialsOf, type SecretStage } from "./credentials.ts";
import { stoppedByStrayErrors } from "./failure-log.ts";
import type { Invocation } from "./invocation.ts";
import { logProgress } from "./progress-log.ts";
import type { Login, Settings } from "./settings.ts";
import { readTls } from "./tls.ts";

/** What a handler runs the engine with. */
export interface EngineSetup {
  readonly settings: Settings;
  readonly source: AssetSource;
  readonly origin: "deploy" | "command";
  readonly actor: string;
  /** Puts the hint of a failure into the words of who reads it. @default adviseOnAws */
  readonly advise?: (error: MigrationError, login: Login["kind"]) => MigrationError;
  /** Of a deploy: what its event says about the release before it. */
  readonly deploy?: DeployKnowledge;
}

/** Reserved when a deploy waits for another run: the time to connect, and to name the lock holder. */
const CONNECTING_MS = 15_000;

/**
 * A rotation changes the password in the database before it changes the secret. A new permission to connect with a token
 * takes longer to reach all of AWS.
 */
const RETRY_MS = { secret: 3_000, iam: 10_000 } as const;

/**
 * Runs `work` with an engine that connects with the secret or with a token. If the server refuses the password, the secret
 * was probably just rotated, or the permission is too new: both are tried once more, which is safe because nothing has
 * run by then.
 * @throws MigrationError
 */
export async function withEngine<T>(
  invocation: Invocation,
  setup: EngineSetup,
  work: (migrator: Migrator) => Promise<T>,
): Promise<T> {
  return loggingIn(
    invocation,
    setup.settings,
    (connection) => attempt(invocation, connection, setup, work),
    setup.advise,
  );
}

/**
 * Runs `work` in a session of the deploy's user, with the engine's settings, and ends it.
 * @throws MigrationError
 */
export async function withSession<T>(
  invocation: Invocation,
  settings: Settings,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const options = resolveOptions({ ...waitsOf("deploy", invocation), ...settings.options });
  const session = await loggingIn(invocation, settings, (connection) =>
    Session.open({
      ...{ connection, options, applicationName: TOOL, deadline: invocation.deadline },
      observe: logProgress(invocation),
    }),
  );
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}

/**
 * Logs in with other credentials than the functions' own, and ends the session.
 * @throws MigrationError
 */
export async function tryLogin(
  invocation: Invocation,
  settings: Settings,
  credentials: Credentials,
): Promise<void> {
  const connection = await connectionAs(settings, credentials);
  const session = await Session.open({
    ...{ connection, applicationName: TOOL, deadline: invocation.deadline },
    options: resolveOptions(settings.options),
    observe: logProgress(invocation),
  }).catch((error: unknown) => {
    throw error instanceof MigrationError ? adviseOnAws(error) : error;
  });
  await session.end();
}

async function loggingIn<T>(
  invocation: Invocation,
  settings: Settings,
  work: (connection: ConnectionSettings) => Promise<T>,
  advise: NonNullable<EngineSetup["advise"]> = adviseOnAws,
): Promise<T> {
  const { kind } = settings.login;
  const once = async () => work(await connectionTo(invocation, settings, "AWSCURRENT"));
  try {
    return await once().catch(async (error: unknown) => {
      if (!isWrongPassword(error, kind)) throw error;
      invocation.log.warn(SECOND_TRY[kind]);
      await sleep(RETRY_MS[kind]);
      return once().catch(async (refused: unknown) => {
        if (kind === "iam" || !isWrongPassword(refused, kind)) throw refused;
        return work(await midRotation(invocation, settings));
      });
    });
  } catch (error) {
    throw error instanceof MigrationError ? advise(error, kind) : error;
  }
}

async function connectionTo(
  invocation: Invocation,
  settings: Settings,
  stage: SecretStage,
): Promise<ConnectionSettings> {
  const credentials = await credentialsOf(settings, stage);
  invocation.redactor.hide(credentials.password);
  return connectionAs(settings, credentials);
}

async function connectionAs(settings: Settings, credentials: Credentials): Promise<ConnectionSettings> {
  const { host, port, database, caFile, root } = settings;
  const tls = await readTls(caFile, root);
  const { username: user, password } = credentials;
  return { host, port, database, user, password, tls };
}

/**
 * While a rotation is under way, or after it was interrupted, the database has the new password and the current version of
 * the secret the old one. Without a pending version, the rotation may have ended since the current one was read.
 */
async function midRotation(invocation: Invocation, settings: Settings): Promise<ConnectionSettings> {
  invocation.log.warn(
    "the password is refused again; trying the one that a rotation is about to make current",
  );
  return connectionTo(invocation, settings, "AWSPENDING").catch(() =>
    connectionTo(invocation, settings, "AWSCURRENT"),
  );
}

const SECOND_TRY = {
  secret: "the server refused the password; asking for the secret again",
  iam: "the server refused the token; trying once more with a new one",
} as const;

async function attempt<T>(
  invocation: Invocation,
  connection: ConnectionSettings,
  { settings, source, origin, actor, deploy }: EngineSetup,
  work: (migrator: Migrator) => Promise<T>,
): Promise<T> {
  const { revision } = settings;
  const provenance: Provenance = { actor, origin, revision, bundle: source.manifest.hash, tool: TOOL };
  const stop = new AbortController();
  const migrator = new Migrator({
    connection,
    source,
    provenance,
    options: { ...waitsOf(origin, invocation), ...settings.options },
    observe: logProgress(invocation),
    deadline: invocation.deadline,
    signal: stop.signal,
    ...given({ deploy }),
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
  if (origin === "command") {
    return {
      // A function with a short timeout is to say who holds the lock.
      lockWaitMs: Math.min(DEFAULTS.lockWaitMs, Math.max(0, (deadline - Date.now()) / 2)),
      databaseWaitMs: LIMITS.commandDatabaseWait * 1_000,
    };
  }
  return {
    lockWaitMs: Math.max(0, deadline - Date.now() - CONNECTING_MS),
    databaseWaitMs: LIMITS.deployDatabaseWait * 1_000,
  };
}

/** A newer secret can resolve SQLSTATE 28P01 only. RDS refuses a token with 28000 (PAM). */
function isWrongPassword(error: unknown, kind: Login["kind"]): boolean {
  if (!(error instanceof MigrationError) || error.code !== "AUTH") return false;
  return kind === "iam" || error.details.sqlstate === "28P01";
}

import type { Construct } from "constructs";
import { DEFAULTS, LIMITS, type MigratorOptions, OPTIONS } from "../../lambda/contract.ts";
import type { EngineProps, PostgresMigrationsProps } from "./postgres-migrations-props.ts";
import { checkChoice, constructError } from "./validation.ts";

/** Deploys and commands have different defaults for these two, so that a given value is always passed on. */
const { lockWaitMs: _, databaseWaitMs: __, ...COMMON_DEFAULTS } = DEFAULTS;

/** Defaults that a prop could repeat. */
const DEFAULT_OPTIONS: MigratorOptions = { ...COMMON_DEFAULTS, schema: [DEFAULTS.schema] };

/**
 * The options that differ from their defaults, as JSON with sorted keys. CloudFormation runs the migrations again when
 * this text changes, so a prop that repeats a default must not change it.
 */
export function engineOptions(scope: Construct, props: EngineProps): string {
  const options = optionsOf(props);
  checkChoice(scope, "order", props.order, OPTIONS.order.choices);
  checkChoice(scope, "transaction", props.transaction, OPTIONS.transaction.choices);
  checkChoice(scope, "preflight", props.preflight, OPTIONS.preflight.choices);
  checkChoice(scope, "onDeadline", props.onDeadline, OPTIONS.onDeadline.choices);
  if (options.schema?.length === 0) throw constructError(scope, "schema must name at least one, not []");
  const { lockRetries = 0 } = options;
  if (!(Number.isInteger(lockRetries) && lockRetries >= 0)) {
    throw constructError(scope, `lockRetries must be a whole number, 0 or more, not ${lockRetries}`);
  }
  const defaults = new Map<string, unknown>(Object.entries(DEFAULT_OPTIONS));
  const differing = Object.entries(options)
    .filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(defaults.get(key)))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(differing));
}

/** Leaves out `undefined`, which JSON does not have. */
function optionsOf(props: EngineProps): MigratorOptions {
  const { schema } = props;
  const options: Readonly<Record<keyof MigratorOptions, unknown>> = {
    schema: typeof schema === "string" ? [schema] : schema,
    createSchema: props.createSchema,
    migrationsSchema: props.migrationsSchema,
    migrationsTable: props.migrationsTable,
    decamelize: props.decamelize,
    order: props.order,
    transaction: props.transaction,
    lockWaitMs: props.lockWait?.toMilliseconds(),
    lockTimeoutMs: props.lockTimeout?.toMilliseconds(),
    lockRetries: props.lockRetries,
    lockRetryDelayMs: props.lockRetryDelay?.toMilliseconds(),
    statementTimeoutMs: props.statementTimeout?.toMilliseconds(),
    onDeadline: props.onDeadline,
    maxLockMs: props.maxLock?.toMilliseconds(),
    connectTimeoutMs: props.connectTimeout?.toMilliseconds(),
    startingWaitMs: props.startingWait?.toMilliseconds(),
    databaseWaitMs: props.databaseWait?.toMilliseconds(),
    preflight: props.preflight,
    oldTransactionMs: props.oldTransaction?.toMilliseconds(),
    replicaLagMs: props.replicaLag?.toMilliseconds(),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** In seconds. */
export interface Timeouts {
  /** Of each function, and so of a slice. */
  readonly timeout: number;
  /** Of a whole deploy, in as many slices as it needs. */
  readonly deployTimeout: number;
}

/** @throws Error if a deploy would take longer than CloudFormation waits, or a function had no time to wait for the lock and then work */
export function timeoutsOf(scope: Construct, props: PostgresMigrationsProps): Timeouts {
  const deployTimeout = props.timeout?.toSeconds() ?? LIMITS.deployTimeout;
  if (deployTimeout > LIMITS.deployTimeout) {
    throw constructError(
      scope,
      `timeout must be at most ${LIMITS.deployTimeout / 60} minutes, not ${deployTimeout} seconds: CloudFormation waits for one ` +
        "hour. A deploy that is stopped goes on in the next one; for a run of hours see docs/deploying.md",
    );
  }
  const timeout = Math.min(deployTimeout, LIMITS.functionTimeout);
  const lockWait = props.lockWait?.toSeconds({ integral: false }) ?? 0;
  const reserve = Math.min(LIMITS.reserve, timeout / 4);
  if (lockWait + reserve >= timeout) {
    throw constructError(
      scope,
      `lockWait (${lockWait} seconds) and the ${reserve} seconds kept for an orderly end leave no time to work ` +
        `in a function of ${timeout} seconds: ${timeout < LIMITS.functionTimeout ? "lengthen timeout or " : ""}shorten ` +
        "lockWait, or leave it out: a deploy then waits as long as it may take",
    );
  }
  return { timeout, deployTimeout };
}

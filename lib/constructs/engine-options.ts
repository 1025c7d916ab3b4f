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

/**
 * Timeout of the functions in seconds.
 * @throws Error if it is too long for Lambda, or too short to wait for the lock and then work
 */
export function functionTimeout(scope: Construct, props: PostgresMigrationsProps): number {
  const timeout = props.timeout?.toSeconds() ?? LIMITS.functionTimeout;
  if (timeout > LIMITS.functionTimeout) {
    throw constructError(
      scope,
      `timeout must be at most ${LIMITS.functionTimeout / 60} minutes, not ${timeout} seconds: a Lambda function ` +
        "runs for at most 15, and CDK's needs the last one to answer. Run a longer statement from a machine that reaches " +
        "the database, before the deploy",
    );
  }
  const lockWait = props.lockWait?.toSeconds({ integral: false }) ?? 0;
  const reserve = Math.min(LIMITS.reserve, timeout / 4);
  if (lockWait + reserve >= timeout) {
    throw constructError(
      scope,
      `lockWait (${lockWait} seconds) and the ${reserve} seconds kept for an orderly end leave no time to work ` +
        `in a timeout of ${timeout} seconds: lengthen timeout or shorten lockWait`,
    );
  }
  return timeout;
}

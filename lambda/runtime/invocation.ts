import type { CompletedMigration } from "../../lib/core/index.ts";
import { LIMITS, METRICS } from "../contract.ts";
import { createRedactor, type Redactor } from "./redactor.ts";

/** The part of the context of Lambda that is used here. */
export interface LambdaContext {
  readonly awsRequestId: string;
  readonly functionName: string;
  readonly logGroupName: string;
  getRemainingTimeInMillis(): number;
}

/** One call of a function, from its event to its answer. */
export interface Invocation {
  readonly functionName: string;
  readonly requestId: string;
  readonly logGroup: string;
  /** Milliseconds since the epoch: Postgres stops by then, so that there is time left for the answer. */
  readonly deadline: number;
  /** Milliseconds between that and the end of the function. */
  readonly reserveMs: number;
  readonly redactor: Redactor;
  readonly log: Log;
  /** What the run has met, for its metrics. */
  readonly counts: { lockRetries: number; background: number };
  /** What it has committed so far. */
  readonly completed: CompletedMigration[];
}

export function beginInvocation(context: LambdaContext): Invocation {
  const { awsRequestId: requestId, functionName, logGroupName: logGroup } = context;
  const remainingMs = context.getRemainingTimeInMillis();
  // A function with a short timeout needs most of it for its work.
  const reserveMs = Math.min(LIMITS.reserve * 1000, remainingMs / 4);
  const deadline = Date.now() + remainingMs - reserveMs;
  const redactor = createRedactor();
  const log = createLog({ functionName, requestId }, redactor);
  return {
    functionName,
    requestId,
    logGroup,
    deadline,
    reserveMs,
    redactor,
    log,
    counts: { lockRetries: 0, background: 0 },
    completed: [],
  };
}

/** Structured logs: one JSON object on each line. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Writes values that CloudWatch turns into metrics. */
  metrics(values: MetricValues): void;
  /** The same for counts that are not the function's own: `dimension` names what they are about. */
  counts(dimension: Readonly<Record<string, string>>, counts: Readonly<Record<string, number>>): void;
}

export type LogFields = Readonly<Record<string, unknown>>;

export interface MetricValues {
  readonly failed: boolean;
  readonly completed: number;
  /** Undefined for a slice: it may use all of its time, and that is not slow. */
  readonly durationMs?: number | undefined;
  /** Of a deploy: since it has begun. */
  readonly deployMs?: number | undefined;
  /** Undefined if it is not known. */
  readonly pending?: number | undefined;
  readonly lockRetries: number;
  readonly background: number;
}

export interface LogOrigin {
  readonly functionName: string;
  readonly requestId: string;
}

/** Does not use `console`: Lambda replaces it and would wrap the metrics, which CloudWatch would not find then. */
export function createLog({ functionName, requestId }: LogOrigin, redactor: Redactor): Log {
  const write = (line: object): void => {
    process.stdout.write(`${JSON.stringify(redactor.redactAll(line))}\n`);
  };
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      write({ timestamp: new Date().toISOString(), level, requestId, message, ...fields });
  return {
    info: at("INFO"),
    warn: at("WARN"),
    error: at("ERROR"),
    metrics: (values) => write(embeddedMetrics({ Function: functionName }, metricsOf(values))),
    counts: (dimension, counts) =>
      write(
        embeddedMetrics(
          dimension,
          Object.entries(counts).map(([name, count]) => [name, count, "Count"]),
        ),
      ),
  };
}

type Metric = readonly [name: string, value: number, unit: "Count" | "Milliseconds"];

function metricsOf(values: MetricValues): readonly Metric[] {
  const { failed, completed, durationMs, deployMs, pending, lockRetries, background } = values;
  return [
    [METRICS.failed, failed ? 1 : 0, "Count"],
    [METRICS.completed, completed, "Count"],
    ...(durationMs === undefined
      ? []
      : [[METRICS.duration, Math.round(durationMs), "Milliseconds"] as const]),
    [METRICS.lockRetries, lockRetries, "Count"],
    [METRICS.background, background, "Count"],
    ...(deployMs === undefined
      ? []
      : [[METRICS.deployDuration, Math.round(deployMs), "Milliseconds"] as const]),
    ...(pending === undefined ? [] : [[METRICS.pending, pending, "Count"] as const]),
  ];
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html */
function embeddedMetrics(dimension: Readonly<Record<string, string>>, metrics: readonly Metric[]): object {
  return {
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [
        {
          Namespace: METRICS.namespace,
          Dimensions: [Object.keys(dimension)],
          Metrics: metrics.map(([Name, , Unit]) => ({ Name, Unit })),
        },
      ],
    },
    ...dimension,
    ...Object.fromEntries(metrics.map(([name, value]) => [name, value])),
  };
}

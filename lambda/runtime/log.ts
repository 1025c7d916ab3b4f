import { METRICS } from "../contract.ts";
import type { Redactor } from "./redactor.ts";

/** Structured logs: one JSON object a line. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Writes values that CloudWatch makes metrics of. */
  metrics(values: MetricValues): void;
}

export type LogFields = Readonly<Record<string, unknown>>;

export interface MetricValues {
  readonly failed: boolean;
  readonly completed: number;
  readonly durationMs: number;
}

export interface LogOrigin {
  readonly functionName: string;
  readonly requestId: string;
}

/** Written past `console`, which Lambda replaces: it would wrap the metrics, and CloudWatch would not find them. */
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
    metrics: (values) => write(embeddedMetrics(functionName, values)),
  };
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html */
function embeddedMetrics(functionName: string, { failed, completed, durationMs }: MetricValues): object {
  return {
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [
        {
          Namespace: METRICS.namespace,
          Dimensions: [["Function"]],
          Metrics: [
            { Name: METRICS.failed, Unit: "Count" },
            { Name: METRICS.completed, Unit: "Count" },
            { Name: METRICS.duration, Unit: "Milliseconds" },
          ],
        },
      ],
    },
    Function: functionName,
    [METRICS.failed]: failed ? 1 : 0,
    [METRICS.completed]: completed,
    [METRICS.duration]: Math.round(durationMs),
  };
}

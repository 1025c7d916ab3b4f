import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as sfn from "aws-cdk-lib/aws-stepfunctions";
import { METRICS } from "../../lambda/contract.ts";

/** The functions whose metrics are shown, by the name that the legend gives them. */
export type ShownFunctions = Readonly<Record<"deploy" | "operate", lambda.Function>>;

const [WIDTH, HEIGHT] = [12, 6];

/** A graph of values that are never negative. @param label what the axis counts */
export function migrationGraph(
  title: string,
  what: string,
  label: string,
  left: cloudwatch.IMetric[],
): cloudwatch.GraphWidget {
  return new cloudwatch.GraphWidget({
    title: `${title}: ${what}`,
    width: WIDTH,
    height: HEIGHT,
    left,
    leftYAxis: { min: 0, label, showUnits: false },
  });
}

/** Four graphs, two in a row: what has run and failed, how long it took, what is pending, and what waited for locks. */
export function migrationWidgets(title: string, functions: ShownFunctions): cloudwatch.GraphWidget[] {
  const graph = (what: string, label: string, left: cloudwatch.IMetric[]) =>
    migrationGraph(title, what, label, left);
  const of = (
    metricName: string,
    statistic: string,
    label: string,
    from: Partial<ShownFunctions> = functions,
  ) =>
    Object.entries(from).map(([name, { functionName }]) => {
      const dimensionsMap = { Function: functionName };
      const namespace = METRICS.namespace;
      return new cloudwatch.Metric({
        namespace,
        metricName,
        dimensionsMap,
        statistic,
        label: `${label} (${name})`,
      });
    });
  return [
    graph("runs", "invocations", [
      ...of(METRICS.failed, "SampleCount", "runs"),
      ...of(METRICS.failed, "Sum", "failed"),
    ]),
    graph("duration", "milliseconds", [
      ...of(METRICS.deployDuration, "Maximum", "longest", { deploy: functions.deploy }),
      ...of(METRICS.duration, "Maximum", "longest", { operate: functions.operate }),
    ]),
    graph("migrations", "migrations", [
      ...of(METRICS.completed, "Sum", "completed"),
      ...of(METRICS.pending, "Maximum", "pending"),
      ...of(METRICS.background, "Maximum", "in the background"),
    ]),
    graph("locked tables", "retries", of(METRICS.lockRetries, "Sum", "retries")),
  ];
}

/** One graph: executions of the runner. */
export function runnerWidget(title: string, runner: sfn.StateMachine): cloudwatch.GraphWidget {
  return migrationGraph(title, "runner", "executions", [
    runner.metricStarted({ label: "started" }),
    runner.metricSucceeded({ label: "succeeded" }),
    runner.metricFailed({ label: "failed" }),
    runner.metricTimedOut({ label: "timed out" }),
  ]);
}

import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as sns from "aws-cdk-lib/aws-sns";
import type * as sfn from "aws-cdk-lib/aws-stepfunctions";
import type { Construct } from "constructs";
import { FLEET_METRICS, METRICS } from "../../lambda/contract.ts";
import { migrationGraph } from "./migration-dashboard.ts";

/** An execution writes its metrics when it ends. */
const PERIOD = Duration.minutes(5);

/** An execution that failed, was stopped or ran out of time, or one with failed targets, though they may be tolerated. */
export function fleetAlarm(
  scope: Construct,
  fleetName: string,
  machine: sfn.StateMachine,
  topic: sns.ITopic | undefined,
): cloudwatch.Alarm {
  const alarm = new cloudwatch.MathExpression({
    expression: "FILL(targets, 0) + FILL(failed, 0) + FILL(aborted, 0) + FILL(timedOut, 0)",
    usingMetrics: {
      targets: targetMetric(fleetName, FLEET_METRICS.failed),
      failed: machine.metricFailed(),
      aborted: machine.metricAborted(),
      timedOut: machine.metricTimedOut(),
    },
    period: PERIOD,
  }).createAlarm(scope, "Failed", {
    threshold: 1,
    evaluationPeriods: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    alarmDescription: `Postgres migrations of the fleet ${fleetName} failed in a target, or their execution failed or was stopped`,
  });
  if (topic !== undefined) alarm.addAlarmAction(new SnsAction(topic));
  return alarm;
}

/** Three graphs: what became of targets, executions, and the function that migrates a target. */
export function fleetWidgets(
  fleetName: string,
  machine: sfn.StateMachine,
  handler: lambda.Function,
): cloudwatch.GraphWidget[] {
  const { done, failed, untouched } = FLEET_METRICS;
  return [
    migrationGraph(fleetName, "targets", "targets", [
      targetMetric(fleetName, done, "done"),
      targetMetric(fleetName, failed, "failed"),
      targetMetric(fleetName, untouched, "untouched"),
    ]),
    migrationGraph(fleetName, "executions", "executions", [
      machine.metricStarted({ label: "started" }),
      machine.metricSucceeded({ label: "succeeded" }),
      machine.metricFailed({ label: "failed" }),
    ]),
    migrationGraph(fleetName, "function of a target", "invocations", [
      handler.metricInvocations({ label: "invocations" }),
      handler.metricThrottles({ label: "throttled" }),
      handler.metricErrors({ label: "errors" }),
    ]),
  ];
}

function targetMetric(fleetName: string, metricName: string, label?: string): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: METRICS.namespace,
    metricName,
    dimensionsMap: { Fleet: fleetName },
    statistic: "Sum",
    ...(label === undefined ? {} : { label }),
  });
}

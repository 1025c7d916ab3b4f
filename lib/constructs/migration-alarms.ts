import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as sns from "aws-cdk-lib/aws-sns";
import type * as sfn from "aws-cdk-lib/aws-stepfunctions";
import type { Construct } from "constructs";
import { METRICS } from "../../lambda/contract.ts";

/**
 * Lambda writes its metrics at the end of an invocation with the time of its start, so an alarm must look back longer than
 * a function can run.
 */
const LOOK_BACK = Duration.minutes(30);

/** Percentage of the timeout from which a run is slow: a slightly longer one would be stopped. */
const SLOW = 80;

/**
 * Two alarms for one function. "Failed": the function reported a failure, crashed or timed out. "Slow": a successful run
 * took most of the timeout, as one that leaves an index build to the server does. A failure never raises both.
 */
export function migrationAlarms(
  scope: Construct,
  id: string,
  handler: lambda.Function,
  topic: sns.ITopic | undefined,
): readonly cloudwatch.Alarm[] {
  const what = id.toLowerCase();
  const metrics = metricsOf(handler);
  const limit = ((handler.timeout ?? Duration.minutes(0)).toMilliseconds() * SLOW) / 100;
  const alarms = [
    failureAlarm(scope, `${id}Failed`, handler, `Postgres migrations failed in the ${what} function`),
    expression("IF(FILL(failed, 0) + FILL(errors, 0) > 0, 0, duration)", metrics).createAlarm(
      scope,
      `${id}Slow`,
      {
        ...onFirstValue(limit),
        alarmDescription: `The ${what} function of the Postgres migrations took ${SLOW} % of its timeout or more; an index may still be built in the background`,
      },
    ),
  ];
  if (topic !== undefined) for (const alarm of alarms) alarm.addAlarmAction(new SnsAction(topic));
  return alarms;
}

/** "Failed" alone. @param what has failed */
export function failureAlarm(
  scope: Construct,
  id: string,
  handler: lambda.Function,
  what: string,
): cloudwatch.Alarm {
  return expression("FILL(failed, 0) + FILL(errors, 0)", metricsOf(handler)).createAlarm(scope, id, {
    ...onFirstValue(1),
    alarmDescription: `${what}, or it was stopped before it could say so`,
  });
}

type Metrics = Readonly<Record<"failed" | "errors" | "duration", cloudwatch.IMetric>>;

function metricsOf(handler: lambda.Function): Metrics {
  return {
    failed: new cloudwatch.Metric({
      namespace: METRICS.namespace,
      metricName: METRICS.failed,
      dimensionsMap: { Function: handler.functionName },
      statistic: "Sum",
    }),
    errors: handler.metricErrors(),
    duration: handler.metricDuration({ statistic: "Maximum" }),
  };
}

/** Leaves out metrics that the formula does not use, because CDK warns about them. */
function expression(formula: string, metrics: Metrics): cloudwatch.MathExpression {
  const used = Object.entries(metrics).filter(([name]) => formula.includes(name));
  return new cloudwatch.MathExpression({
    expression: formula,
    usingMetrics: Object.fromEntries(used),
    period: LOOK_BACK,
  });
}

/** An execution of the runner failed, or took too long. The operate function reports no failure of a slice: one is enough. */
export function runnerAlarm(
  scope: Construct,
  runner: sfn.StateMachine,
  topic: sns.ITopic | undefined,
): cloudwatch.Alarm {
  const alarm = new cloudwatch.MathExpression({
    expression: "FILL(failed, 0) + FILL(timedOut, 0)",
    usingMetrics: { failed: runner.metricFailed(), timedOut: runner.metricTimedOut() },
    period: LOOK_BACK,
  }).createAlarm(scope, "RunnerFailed", {
    ...onFirstValue(1),
    alarmDescription: "An execution of the runner of the Postgres migrations failed",
  });
  if (topic !== undefined) alarm.addAlarmAction(new SnsAction(topic));
  return alarm;
}

/** A single value is enough; no data means that nothing ran, which is fine. */
function onFirstValue(threshold: number): cloudwatch.CreateAlarmOptions {
  return {
    threshold,
    evaluationPeriods: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
  };
}

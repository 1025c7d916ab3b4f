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

/** The runs of a function that are watched, and what takes how long. */
interface WatchedRuns {
  readonly handler: lambda.Function;
  readonly duration: cloudwatch.IMetric;
  /** The longest that `duration` can be. */
  readonly timeout: Duration;
  /** Subject of a sentence. */
  readonly what: string;
}

/** A deploy may have several slices, each of which may take all the time of the function. */
export function deployRuns(handler: lambda.Function, timeoutSeconds: number): WatchedRuns {
  const duration = metricOf(handler, METRICS.deployDuration, "Maximum");
  return {
    handler,
    duration,
    timeout: Duration.seconds(timeoutSeconds),
    what: "A deploy of Postgres migrations",
  };
}

/** A slice of the runner has no duration: it may take all the time of the function, too. */
export function commandRuns(handler: lambda.Function): WatchedRuns {
  const duration = metricOf(handler, METRICS.duration, "Maximum");
  const timeout = handler.timeout ?? Duration.minutes(0);
  return { handler, duration, timeout, what: "The operate function of the Postgres migrations" };
}

/**
 * Two alarms. "Failed": the function reported a failure, crashed or timed out. "Slow": a success took most of the timeout,
 * as one does that leaves an index build to the server. A failure never raises both.
 */
export function migrationAlarms(
  scope: Construct,
  id: string,
  { handler, duration, timeout, what }: WatchedRuns,
  topic: sns.ITopic | undefined,
): readonly cloudwatch.Alarm[] {
  const metrics = { ...failuresOf(handler), duration };
  const slow = expression("IF(FILL(failed, 0) + FILL(errors, 0) > 0, 0, duration)", metrics);
  const alarms = [
    failureAlarm(
      scope,
      `${id}Failed`,
      handler,
      `Postgres migrations failed in the ${id.toLowerCase()} function`,
    ),
    slow.createAlarm(scope, `${id}Slow`, {
      ...onFirstValue((timeout.toMilliseconds() * SLOW) / 100),
      alarmDescription: `${what} took ${SLOW} % of its timeout or more; an index may still be built in the background`,
    }),
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
  return expression("FILL(failed, 0) + FILL(errors, 0)", failuresOf(handler)).createAlarm(scope, id, {
    ...onFirstValue(1),
    alarmDescription: `${what}, or it was stopped before it could say so`,
  });
}

type Metrics = Readonly<Record<string, cloudwatch.IMetric>>;

function failuresOf(handler: lambda.Function) {
  return { failed: metricOf(handler, METRICS.failed, "Sum"), errors: handler.metricErrors() };
}

function metricOf(handler: lambda.Function, metricName: string, statistic: string): cloudwatch.Metric {
  const dimensionsMap = { Function: handler.functionName };
  return new cloudwatch.Metric({ namespace: METRICS.namespace, metricName, dimensionsMap, statistic });
}

function expression(formula: string, metrics: Metrics): cloudwatch.MathExpression {
  return new cloudwatch.MathExpression({ expression: formula, usingMetrics: metrics, period: LOOK_BACK });
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

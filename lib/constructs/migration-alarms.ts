import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as sns from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";
import { METRICS } from "../../lambda/contract.ts";

/**
 * Lambda's own metrics are dated to the beginning of an invocation and written at its end: an alarm has to look further
 * back than a function may take.
 */
const LOOK_BACK = Duration.minutes(30);

/** Of the timeout, in percent: a run that comes so near will not fit before long. */
const SLOW = 80;

/**
 * Alarms on one function. One failure raises one of them: "failed" when the function says that migrations failed, or
 * when it crashed or ran out of time and could say nothing; "slow" when a run that did not fail took almost as long as
 * it may.
 */
export function migrationAlarms(
  scope: Construct,
  id: string,
  handler: lambda.Function,
  topic: sns.ITopic | undefined,
): readonly cloudwatch.Alarm[] {
  const what = id.toLowerCase();
  const metrics = metricsOf(handler);
  const failures = expression("FILL(failed, 0) + FILL(errors, 0)", metrics);
  const limit = ((handler.timeout ?? Duration.minutes(0)).toMilliseconds() * SLOW) / 100;
  const alarms = [
    failures.createAlarm(scope, `${id}Failed`, {
      ...once(1),
      alarmDescription: `Postgres migrations failed in the ${what} function, or it was stopped before it could say so`,
    }),
    expression("IF(FILL(failed, 0) + FILL(errors, 0) > 0, 0, duration)", metrics).createAlarm(
      scope,
      `${id}Slow`,
      {
        ...once(limit),
        alarmDescription: `The ${what} function of the Postgres migrations took ${SLOW} % of its timeout or more`,
      },
    ),
  ];
  if (topic !== undefined) for (const alarm of alarms) alarm.addAlarmAction(new SnsAction(topic));
  return alarms;
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

/** The metrics that a formula does not name are left out: CDK warns of them. */
function expression(formula: string, metrics: Metrics): cloudwatch.MathExpression {
  const used = Object.entries(metrics).filter(([name]) => formula.includes(name));
  return new cloudwatch.MathExpression({
    expression: formula,
    usingMetrics: Object.fromEntries(used),
    period: LOOK_BACK,
  });
}

/** Nothing is written while nothing runs, and that is well. */
function once(threshold: number): cloudwatch.CreateAlarmOptions {
  return {
    threshold,
    evaluationPeriods: 1,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
  };
}

import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as sns from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";
import { METRICS } from "../../lambda/contract.ts";

const PERIOD = Duration.minutes(1);

/**
 * Of Lambda's own metrics: they are dated to the beginning of an invocation and written at its end, so that an alarm
 * has to look further back than a function may take.
 */
const LOOK_BACK = Duration.minutes(30);

/** Of the timeout, in percent: a run that comes so near will not fit before long. */
const SLOW = 80;

/**
 * Alarms on one function: it says that migrations failed; it ended in an error (a crash and a timeout say
 * nothing themselves); it took almost as long as it may.
 */
export function migrationAlarms(
  scope: Construct,
  id: string,
  handler: lambda.Function,
  topic: sns.ITopic | undefined,
): readonly cloudwatch.Alarm[] {
  const what = id.toLowerCase();
  const alarms = [
    failedAlarm(scope, `${id}Failed`, handler, what),
    handler.metricErrors({ period: LOOK_BACK }).createAlarm(scope, `${id}Errors`, {
      ...once(1),
      alarmDescription: `The ${what} function of the Postgres migrations ended in an error, was killed or ran out of time`,
    }),
    slowAlarm(scope, `${id}Slow`, handler, what),
  ];
  if (topic !== undefined) for (const alarm of alarms) alarm.addAlarmAction(new SnsAction(topic));
  return alarms;
}

function failedAlarm(scope: Construct, id: string, handler: lambda.Function, what: string): cloudwatch.Alarm {
  return new cloudwatch.Metric({
    namespace: METRICS.namespace,
    metricName: METRICS.failed,
    dimensionsMap: { Function: handler.functionName },
    statistic: "Sum",
    period: PERIOD,
  }).createAlarm(scope, id, {
    ...once(1),
    alarmDescription: `Postgres migrations failed in the ${what} function`,
  });
}

function slowAlarm(scope: Construct, id: string, handler: lambda.Function, what: string): cloudwatch.Alarm {
  const limit = ((handler.timeout ?? Duration.minutes(0)).toMilliseconds() * SLOW) / 100;
  return handler.metricDuration({ period: LOOK_BACK, statistic: "Maximum" }).createAlarm(scope, id, {
    ...once(limit),
    alarmDescription: `The ${what} function of the Postgres migrations took ${SLOW} % of its timeout or more`,
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

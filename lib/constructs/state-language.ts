/** Amazon's states language, in JSONPath: the parts that more than one state machine has. Pure data. */

/** One state, by the fields of its type. */
export type State = Readonly<Record<string, unknown>>;
export type States = Readonly<Record<string, State>>;

export interface Workflow {
  readonly StartAt: string;
  readonly States: States;
}

/** A definition of a state machine. */
export interface Definition extends Workflow {
  readonly Comment: string;
}

/**
 * Failures of Lambda itself. A repeated invocation goes on where the first one ended, so each may be tried again. A function
 * of a VPC that nobody has invoked for weeks is inactive, and takes minutes to be ready.
 * https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
 * https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
 */
const LAMBDA_RETRY = [
  {
    ErrorEquals: [
      "Lambda.TooManyRequestsException",
      "Lambda.ClientExecutionTimeoutException",
      "Lambda.ServiceException",
      "Lambda.AWSLambdaException",
      "Lambda.SdkClientException",
      "Lambda.ResourceNotReadyException",
      "Lambda.ResourceConflictException",
    ],
    IntervalSeconds: 2,
    BackoffRate: 2,
    MaxDelaySeconds: 60,
    MaxAttempts: 10,
    JitterStrategy: "FULL",
  },
];

/** A function by its ARN, and the partition of AWS that it is in. */
export interface InvokedFunction {
  readonly partition: string;
  readonly functionArn: string;
}

/** Fields of a task that invokes the function with `payload` and goes on with its answer alone. */
export function invoke(
  { partition, functionArn }: InvokedFunction,
  payload: Readonly<Record<string, unknown>>,
): State {
  return {
    Type: "Task",
    Resource: `arn:${partition}:states:::lambda:invoke`,
    Parameters: { FunctionName: functionArn, ...payload },
    OutputPath: "$.Payload",
    Retry: LAMBDA_RETRY,
  };
}

/**
 * Invokes a function that works in slices until its work is done or has failed. Its answer says which: `outcome`, then
 * `next` (what to invoke it with again) and `waitSeconds`, or `answer`, with `code` when it has failed. The workflow ends
 * with `answer`, as its output or as the cause of its failure.
 */
export function untilDone(invoked: InvokedFunction): Workflow {
  const is = (outcome: string, next: string) => ({
    Variable: "$.outcome",
    StringEquals: outcome,
    Next: next,
  });
  return {
    StartAt: "Run",
    States: {
      Run: { ...invoke(invoked, { "Payload.$": "$" }), Next: "Outcome" },
      Outcome: { Type: "Choice", Choices: [is("done", "Done"), is("continue", "Wait")], Default: "Failed" },
      Wait: { Type: "Wait", SecondsPath: "$.waitSeconds", OutputPath: "$.next", Next: "Run" },
      Done: { Type: "Succeed", OutputPath: "$.answer" },
      Failed: failWith("$.code", "$.answer"),
    },
  };
}

/** Fails with a code, and with JSON as text for the cause. */
export function failWith(codePath: string, causePath: string): State {
  return { Type: "Fail", ErrorPath: codePath, CausePath: `States.JsonToString(${causePath})` };
}

/** CloudFormation replaces it by the substitution with that name. */
export function placeholder(name: string): string {
  return `\${${name}}`;
}

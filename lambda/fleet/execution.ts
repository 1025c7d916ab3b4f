import {
  DescribeExecutionCommand,
  type DescribeExecutionOutput,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from "@aws-sdk/client-sfn";
import * as v from "valibot";
import { MigrationError } from "../../lib/core/index.ts";
import { OUTCOME } from "../../lib/fleet/index.ts";
import { cut } from "../runtime/custom-resource.ts";

const CLIENT = {
  maxAttempts: 4,
  requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
} as const;

const count = v.pipe(v.number(), v.integer());

/** What an execution ends with, as far as a deploy tells of it. */
const SUMMARY = v.object({
  fleet: v.string(),
  command: v.string(),
  counts: v.object({ done: count, failed: count, untouched: count }),
  versions: v.array(v.object({ head: v.nullable(v.string()) })),
  failed: v.array(OUTCOME),
  summary: v.string(),
  error: v.optional(v.object({ Error: v.string(), Cause: v.string() })),
});
export type ExecutionSummary = v.InferOutput<typeof SUMMARY>;

const SummaryText = v.pipe(v.string(), v.parseJson(), SUMMARY);
const LambdaErrorText = v.pipe(v.string(), v.parseJson(), v.object({ errorMessage: v.string() }));

/** How an execution stands. */
export type ExecutionState =
  | { readonly state: "running" }
  | { readonly state: "done"; readonly summary: ExecutionSummary }
  | { readonly state: "failed"; readonly code: string; readonly message: string };

/**
 * Starts an execution. A second one of the same name is the same: CloudFormation may deliver a request twice.
 * @returns its ARN
 */
export async function startExecution(machine: string, name: string, input: object): Promise<string> {
  return asking("started", async (client) => {
    const command = new StartExecutionCommand({
      stateMachineArn: machine,
      name,
      input: JSON.stringify(input),
    });
    try {
      const { executionArn = "" } = await client.send(command);
      return executionArn;
    } catch (error) {
      if (!(error instanceof Error && error.name === "ExecutionAlreadyExists")) throw error;
      return `${machine.replace(":stateMachine:", ":execution:")}:${name}`;
    }
  });
}

export async function describeExecution(arn: string): Promise<ExecutionState> {
  return asking("described", async (client) =>
    stateOf(await client.send(new DescribeExecutionCommand({ executionArn: arn }))),
  );
}

/** What runs in a function goes on to its end; nothing more begins. */
export async function stopExecution(arn: string, cause: string): Promise<void> {
  await asking("stopped", (client) =>
    client.send(new StopExecutionCommand({ executionArn: arn, error: "CANCELLED", cause })),
  );
}

function stateOf({ status, output, error, cause }: DescribeExecutionOutput): ExecutionState {
  if (status === "RUNNING" || status === "PENDING_REDRIVE") return { state: "running" };
  if (status === "SUCCEEDED") return { state: "done", summary: v.parse(SummaryText, output) };
  const summary = v.safeParse(SummaryText, cause);
  if (summary.success)
    return { state: "failed", code: error ?? "FLEET", message: describeSummary(summary.output) };
  if (status === "ABORTED" || status === "TIMED_OUT") {
    const how = status === "ABORTED" ? "was stopped" : "took too long";
    return {
      state: "failed",
      code: "CANCELLED",
      message: `the execution ${how}${cause ? `: ${cause}` : ""}`,
    };
  }
  const fromLambda = v.safeParse(LambdaErrorText, cause);
  const message = fromLambda.success ? fromLambda.output.errorMessage : (cause ?? "it does not say why");
  return { state: "failed", code: error ?? "FLEET", message };
}

const SHOWN = 3;
const SHOWN_BYTES = 180;

/** In few words, for the events of CloudFormation. */
function describeSummary({ fleet, command, counts, failed, summary, error }: ExecutionSummary): string {
  const { done, failed: failures, untouched } = counts;
  const more = failures > SHOWN ? [`and ${failures - SHOWN} more`] : [];
  return [
    `FLEET: ${command} on the fleet ${fleet}: ${done} done, ${failures} failed, ${untouched} untouched`,
    ...failed
      .slice(0, SHOWN)
      .map(({ target, code, message = "" }) => cut(`${target}: ${code}: ${message}`, SHOWN_BYTES)),
    ...more,
    ...(error === undefined || failures > 0 ? [] : [cut(`${error.Error}: ${error.Cause}`, SHOWN_BYTES)]),
    `All outcomes: ${summary}`,
  ].join("\n");
}

async function asking<T>(what: string, work: (client: SFNClient) => Promise<T>): Promise<T> {
  const client = new SFNClient(CLIENT);
  try {
    return await work(client);
  } catch (cause) {
    if (!(cause instanceof Error) || v.isValiError(cause)) throw cause;
    throw new MigrationError("FLEET", `the execution cannot be ${what}: ${cause.name}: ${cause.message}`, {
      hint: "The construct grants this to the function's role: a permissions boundary or a policy of the organization may deny it.",
      cause,
    });
  } finally {
    client.destroy();
  }
}

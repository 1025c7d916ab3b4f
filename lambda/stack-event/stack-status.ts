import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";

/** Which way a stack is going when CloudFormation asks for a change. */
export type StackDirection = "forward" | "rollback" | "unknown";

/** What CloudFormation said when it was asked; `status` is its own word. */
export type StackStatus =
  | { readonly status: string; readonly direction: StackDirection }
  | { readonly status: undefined; readonly direction: "unknown"; readonly reason: string };

/** The answer must not cost the deploy its time: two attempts of at most five seconds. */
const CLIENT = {
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
} as const;

/**
 * Asks CloudFormation for the status of a stack. An update and its rollback send the same kind of event, and only the
 * stack's status tells them apart.
 */
export async function askStackStatus(stackId: string): Promise<StackStatus> {
  const client = new CloudFormationClient(CLIENT);
  try {
    const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName: stackId }));
    const status = stack?.StackStatus;
    if (status !== undefined) return { status, direction: directionOf(status) };
    return unknown("CloudFormation named no stack");
  } catch (error) {
    return unknown(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  } finally {
    client.destroy();
  }
}

/**
 * Every status of a rollback has the word in it, that of `cdk rollback` and of a first deploy too. A stack that is not
 * in progress any more says nothing about the event at hand.
 */
export function directionOf(status: string): StackDirection {
  if (status.includes("ROLLBACK")) return "rollback";
  return /^(?:CREATE|UPDATE|IMPORT)_IN_PROGRESS$/.test(status) ? "forward" : "unknown";
}

function unknown(reason: string): StackStatus {
  return { status: undefined, direction: "unknown", reason };
}

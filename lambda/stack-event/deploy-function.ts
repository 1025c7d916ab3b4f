import { setTimeout as sleep } from "node:timers/promises";
import { InvokeCommand, type InvokeCommandOutput, LambdaClient } from "@aws-sdk/client-lambda";
import * as v from "valibot";
import type { ErrorCode } from "../../lib/core/index.ts";
import { ENV } from "../contract.ts";
import { cut } from "../runtime/custom-resource.ts";
import type { Invocation } from "../runtime/invocation.ts";

/** Name of the deploy function. */
export function deployFunction(): string {
  return process.env[ENV.deployFunction] ?? "";
}

const Result = v.looseObject({
  PhysicalResourceId: v.string(),
  Data: v.record(v.string(), v.string()),
  AwaitsSnapshot: v.optional(v.literal(true)),
  Unfinished: v.optional(v.literal(true)),
});
export type DeployFunctionResult = v.InferOutput<typeof Result>;

/**
 * Invokes the deploy function and waits for its answer.
 * @throws InvokedFunctionError when it failed; the SDK's error when it could not be invoked
 */
export async function invokeDeployFunction(event: object): Promise<DeployFunctionResult> {
  return v.parse(Result, await invokeFunction(deployFunction(), event));
}

const MESSAGE_BYTES = 1_000;

/** The deploy function names its log itself, unless it was stopped. */
export function toDeployFailure(error: unknown, { logGroup, requestId }: Invocation): Error {
  if (error instanceof InvokedFunctionError && !error.isCrash && error.message.includes(logGroup))
    return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const what = error instanceof InvokedFunctionError ? "was stopped" : "cannot be invoked";
  const text = `the deploy function ${what}: ${name}: ${cut(message, MESSAGE_BYTES)}`;
  return new InvokedFunctionError("INTERNAL", `${text}\nLog group ${logGroup}, request ${requestId}.`);
}

/**
 * No limit on the answer: a run takes as long as the function may. An attempt whose connection breaks is repeated, and
 * the second run waits for the first one's lock.
 */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 3_000, requestTimeout: 0 } } as const;

/** Lambda takes the network interfaces away from a function that was idle for weeks, and then needs up to a minute. */
const NOT_ACTIVE = new Set(["ResourceConflictException", "ResourceNotReadyException"]);
const ACTIVE_WAIT = { attempts: 12, ms: 5_000 } as const;

/** What Lambda reports of a function that threw or was stopped. */
const Failure = v.object({
  errorType: v.optional(v.string(), "Error"),
  errorMessage: v.optional(v.string(), "the function failed without a message"),
});

/** A failure as CloudFormation is to show it: of the invoked function, with its own name and message. */
export class InvokedFunctionError extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
    // CDK's framework sends the stack to CloudFormation, whose limit on an answer the message may nearly fill.
    this.stack = name;
  }

  /** Lambda stopped the process, which therefore wrote no metrics. */
  get isCrash(): boolean {
    return /^(?:Runtime|Sandbox|Extension)\./.test(this.name);
  }
}

/** Why a deploy ends, if not the deploy function says so. A class of its own, because the dictionary of the engine is large. */
export class DeployStoppedError extends Error {
  readonly code: "SNAPSHOT" | "CANCELLED";
  readonly hint: string | undefined;

  constructor(code: DeployStoppedError["code"], message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code satisfies ErrorCode;
    this.hint = hint;
  }
}

async function invokeFunction(name: string, event: object): Promise<unknown> {
  const client = new LambdaClient(CLIENT);
  try {
    const answer = await invokeWhenActive(client, name, event);
    const text = new TextDecoder().decode(answer.Payload);
    if (answer.FunctionError === undefined) return JSON.parse(text);
    const { errorType, errorMessage } = v.parse(v.pipe(v.string(), v.parseJson(), Failure), text);
    throw new InvokedFunctionError(errorType, errorMessage);
  } finally {
    client.destroy();
  }
}

async function invokeWhenActive(
  client: LambdaClient,
  name: string,
  event: object,
): Promise<InvokeCommandOutput> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await client.send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event) }));
    } catch (error) {
      const isNotActive = error instanceof Error && NOT_ACTIVE.has(error.name);
      if (!isNotActive || attempt === ACTIVE_WAIT.attempts) throw error;
      await sleep(ACTIVE_WAIT.ms);
    }
  }
}

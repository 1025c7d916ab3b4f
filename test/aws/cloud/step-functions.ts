import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { bodyOf, type Listening, listen } from "../http.ts";
import type { LambdaService } from "../lambda/service.ts";

/** The one state machine that there is: the provider framework's, which asks until a function says that it is done. */
const Definition = v.object({
  States: v.object({
    "framework-isComplete-task": v.object({
      Resource: v.string(),
      Retry: v.tuple([v.object({ IntervalSeconds: v.number(), MaxAttempts: v.number() })]),
    }),
    "framework-onTimeout-task": v.object({ Resource: v.string() }),
  }),
});

const Start = v.object({ stateMachineArn: v.string(), input: v.string() });
const LambdaError = v.object({ errorType: v.optional(v.string(), "Error") });

/** A second of the state machine. */
const SECOND_MS = 2;

/**
 * Step Functions, as far as the provider framework needs it. The framework repeats the whole request of CloudFormation in
 * the error that means "not yet": only who may read the history of executions sees it.
 */
export class StepFunctions {
  readonly #lambda: LambdaService;
  readonly #definitions = new Map<string, v.InferOutput<typeof Definition>>();
  readonly #executions = new Set<Promise<void>>();
  #server: Listening | undefined;

  constructor(lambda: LambdaService) {
    this.#lambda = lambda;
  }

  /** @returns address of the endpoint, for the client that the framework is given */
  async start(): Promise<string> {
    this.#server = await listen((request, response) => this.#serve(request, response));
    return `http://127.0.0.1:${this.#server.port}`;
  }

  install(arn: string, definition: string): void {
    this.#definitions.set(arn, v.parse(Definition, JSON.parse(definition)));
  }

  /** Waits until no execution runs. */
  async settled(): Promise<void> {
    while (this.#executions.size > 0) await Promise.all(this.#executions);
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { stateMachineArn, input } = v.parse(Start, JSON.parse(await bodyOf(request)));
    const execution = this.#execute(stateMachineArn, input).finally(() => this.#executions.delete(execution));
    this.#executions.add(execution);
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  }

  async #execute(arn: string, input: string): Promise<void> {
    const { "framework-isComplete-task": task, "framework-onTimeout-task": onTimeout } = v.parse(
      Definition,
      this.#definitions.get(arn),
    ).States;
    const [{ IntervalSeconds, MaxAttempts }] = task.Retry;
    for (let retries = 0; ; retries += 1) {
      const { failed, payload } = await this.#lambda.invokeUnseen(task.Resource, input);
      if (!failed) return;
      if (retries === MaxAttempts) {
        const { errorType } = v.parse(LambdaError, JSON.parse(payload));
        await this.#lambda.invokeUnseen(
          onTimeout.Resource,
          JSON.stringify({ Error: errorType, Cause: payload }),
        );
        return;
      }
      await sleep(IntervalSeconds * SECOND_MS);
    }
  }
}

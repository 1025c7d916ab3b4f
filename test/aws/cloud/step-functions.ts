import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { bodyOf, type Listening, listen } from "../http.ts";
import type { Invocation } from "../lambda/sandbox.ts";
import type { Recorder } from "../recorder.ts";
import { type Machine, parseDefinition, SECOND_MS, type Work } from "./definition.ts";
import { type Outcome, type Play, play, StateFailure } from "./interpreter.ts";

/** An execution as DescribeExecution tells of it; the output is JSON. */
export interface Execution {
  readonly executionArn: string;
  readonly stateMachineArn: string;
  readonly name: string;
  readonly status: "RUNNING" | Outcome["status"];
  /** Seconds since the epoch. */
  readonly startDate: number;
  readonly stopDate?: number;
  readonly input: string;
  readonly output?: string;
  readonly error?: string;
  readonly cause?: string;
}

interface Running {
  execution: Execution;
  readonly play: Play;
  readonly ended: Promise<void>;
}

const Start = v.object({
  stateMachineArn: v.string(),
  input: v.optional(v.string(), "{}"),
  name: v.optional(v.string()),
});
const Describe = v.object({ executionArn: v.string() });
const Stop = v.object({
  executionArn: v.string(),
  error: v.optional(v.string()),
  cause: v.optional(v.string()),
});

/** Input of a task of the optimized integration. */
const Invoke = v.object({ FunctionName: v.string(), Payload: v.optional(v.unknown(), {}) });
const FunctionError = v.object({ errorType: v.optional(v.string(), "Error") });

/** Lambda, as far as tasks call it. */
export interface Functions {
  invoke(nameOrArn: string, payload: string): Promise<Invocation>;
  /** For a caller that shows the answer to nobody. */
  invokeUnseen(nameOrArn: string, payload: string): Promise<Invocation>;
}

/** An answer of the service that says no. */
class Refusal extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

/** Step Functions: Standard state machines, validated and interpreted, over the functions that are installed. */
export class StepFunctions {
  readonly #lambda: Functions;
  readonly #recorder: Recorder;
  readonly #machines = new Map<string, Machine>();
  /** Machines by their text: the validator takes a good part of a second. */
  readonly #validated = new Map<string, Machine>();
  readonly #executions = new Map<string, Running>();
  #server: Listening | undefined;

  constructor(lambda: Functions, recorder: Recorder) {
    this.#lambda = lambda;
    this.#recorder = recorder;
  }

  /** @returns address of the endpoint */
  async start(): Promise<string> {
    this.#server = await listen((request, response) => this.#serve(request, response));
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Creates or updates a state machine. @throws Error when the definition breaks the rules of the states language */
  install(arn: string, definition: string): void {
    const machine = this.#validated.get(definition) ?? parseDefinition(definition);
    this.#validated.set(definition, machine);
    this.#machines.set(arn, machine);
  }

  /**
   * Starts an execution. A name that another one has is refused, unless that one runs with the same input:
   * https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
   */
  startExecution(stateMachineArn: string, input: string, name: string = randomUUID()): Execution {
    const machine = this.#machines.get(stateMachineArn);
    if (machine === undefined) throw new Refusal("StateMachineDoesNotExist", stateMachineArn);
    const executionArn = `${stateMachineArn.replace(":stateMachine:", ":execution:")}:${name}`;
    const same = this.#executions.get(executionArn)?.execution;
    if (same?.status === "RUNNING" && same.input === input) return same;
    if (same !== undefined)
      throw new Refusal("ExecutionAlreadyExists", `Execution Already Exists: '${name}'`);
    return this.#run(machine, { executionArn, stateMachineArn, name, input });
  }

  describeExecution(executionArn: string): Execution {
    return this.#find(executionArn).execution;
  }

  /** Nothing that a state has begun is ended, and no state follows it. */
  stopExecution(executionArn: string): void {
    this.#find(executionArn).play.abort();
  }

  /** Waits until the execution has ended. */
  async ended(executionArn: string): Promise<Execution> {
    const running = this.#find(executionArn);
    await running.ended;
    return running.execution;
  }

  /** Waits until no execution runs. */
  async settled(): Promise<void> {
    const running = () =>
      [...this.#executions.values()].filter(({ execution }) => execution.status === "RUNNING");
    while (running().length > 0) await Promise.all(running().map(({ ended }) => ended));
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  #run(
    machine: Machine,
    started: Pick<Execution, "executionArn" | "stateMachineArn" | "name" | "input">,
  ): Execution {
    const { executionArn, stateMachineArn, name, input } = started;
    const record = this.#recordOf(machine, executionArn);
    const playing = play(machine, {
      input: JSON.parse(input),
      context: {
        Execution: { Id: executionArn, Name: name, RoleArn: "arn:aws:iam::123456789012:role/states" },
        StateMachine: { Id: stateMachineArn, Name: stateMachineArn.split(":").at(-1) ?? "" },
      },
      perform: (work, given) => this.#perform(work, given, isWaiter(machine)),
      record,
    });
    const running: Running = {
      execution: { ...started, status: "RUNNING", startDate: Date.now() / 1_000 },
      play: playing,
      ended: playing.outcome.then(({ output, ...outcome }) => {
        const text = outcome.status === "SUCCEEDED" ? { output: JSON.stringify(output) } : {};
        running.execution = { ...running.execution, ...outcome, ...text, stopDate: Date.now() / 1_000 };
      }),
    };
    this.#executions.set(executionArn, running);
    return running.execution;
  }

  /**
   * The history is for those who may read it. The provider framework repeats the whole request of CloudFormation there,
   * in the error that means "not yet", which is nothing of ours.
   */
  #recordOf(machine: Machine, source: string): (text: string) => void {
    if (isWaiter(machine)) return () => {};
    return (text) => this.#recorder.add({ source, kind: "history", text });
  }

  async #perform(work: Work, input: unknown, isUnseen: boolean): Promise<unknown> {
    if (work.kind === "map") throw new Error("the harness plays no Distributed Map yet");
    if (work.kind === "wait") {
      const { Seconds } = v.parse(v.object({ Seconds: v.number() }), input);
      return sleep(Seconds * SECOND_MS, null);
    }
    const invoke = async (name: string, payload: unknown) => {
      const method = isUnseen ? "invokeUnseen" : "invoke";
      return invoked(await this.#lambda[method](name, JSON.stringify(payload)));
    };
    if (work.resource.startsWith("arn:aws:lambda:")) return invoke(work.resource, input);
    if (work.resource === "arn:aws:states:::lambda:invoke") {
      const { FunctionName, Payload } = v.parse(Invoke, input);
      return { ExecutedVersion: "$LATEST", Payload: await invoke(FunctionName, Payload), StatusCode: 200 };
    }
    throw new Error(`the harness does not know the resource ${work.resource}`);
  }

  #find(executionArn: string): Running {
    const found = this.#executions.get(executionArn);
    if (found === undefined) throw new Refusal("ExecutionDoesNotExist", executionArn);
    return found;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = String(request.headers["x-amz-target"]).replace(/^AWSStepFunctions\./, "");
    const body: unknown = JSON.parse(await bodyOf(request));
    const headers = { "content-type": "application/x-amz-json-1.0" };
    try {
      const answer = this.#answer(operation, body);
      response.writeHead(200, headers).end(JSON.stringify(answer));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      response.writeHead(400, { ...headers, "x-amzn-errortype": error.name });
      response.end(JSON.stringify({ __type: error.name, message: error.message }));
    }
  }

  #answer(operation: string, body: unknown): unknown {
    switch (operation) {
      case "StartExecution": {
        const { stateMachineArn, input, name } = v.parse(Start, body);
        const { executionArn, startDate } = this.startExecution(stateMachineArn, input, name);
        return { executionArn, startDate };
      }
      case "DescribeExecution":
        return this.describeExecution(v.parse(Describe, body).executionArn);
      case "StopExecution":
        this.stopExecution(v.parse(Stop, body).executionArn);
        return { stopDate: Date.now() / 1_000 };
      default:
        throw new Refusal("UnknownOperationException", `${operation} is not known here`);
    }
  }
}

/** The state machine of the provider framework, which asks until a function says that it is done. */
function isWaiter(machine: Machine): boolean {
  return "framework-isComplete-task" in machine.States;
}

/** The error of a function is the type that it has there, the cause the whole answer. */
function invoked({ failed, payload }: { readonly failed: boolean; readonly payload: string }): unknown {
  const answer: unknown = JSON.parse(payload);
  if (failed) throw new StateFailure(v.parse(FunctionError, answer).errorType, payload);
  return answer;
}

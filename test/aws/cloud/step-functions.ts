import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { bodyOf, type Listening, listen } from "../http.ts";
import type { Recorder } from "../recorder.ts";
import { type Machine, parseDefinition, type Work } from "./definition.ts";
import { type Outcome, play, StateFailure } from "./interpreter.ts";
import { type Objects, runMap } from "./map-run.ts";
import { type Functions, type Message, TASK_TOKEN, Tasks } from "./tasks.ts";

/** An execution as DescribeExecution tells of it; input and output are JSON. */
export interface Execution extends Started {
  readonly status: "RUNNING" | Outcome["status"];
  /** Seconds since the epoch. */
  readonly startDate: number;
  readonly stopDate?: number;
  readonly output?: string;
  readonly error?: string;
  readonly cause?: string;
}

/** What is known of an execution before it runs. */
export interface Started {
  readonly executionArn: string;
  readonly stateMachineArn: string;
  readonly name: string;
  readonly input: string;
}

interface Running {
  execution: Execution;
  readonly isWaiter: boolean;
  readonly ended: Promise<void>;
  /** Nothing that a state has begun is ended, and no state follows it. */
  stop(): void;
}

const Start = v.object({
  stateMachineArn: v.string(),
  input: v.optional(v.string(), "{}"),
  name: v.optional(v.string()),
});
const ByArn = v.object({ executionArn: v.string() });
const Success = v.object({ taskToken: v.string(), output: v.string() });
const Failure = v.object({
  taskToken: v.string(),
  error: v.optional(v.string(), ""),
  cause: v.optional(v.string(), ""),
});

/** What a Fail state computes. */
const Failing = v.object({ Error: v.string(), Cause: v.unknown() });

/** An answer of the service that says no. */
class Refusal extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

/** Step Functions: Standard state machines, validated and interpreted, over the functions that are installed. */
export class StepFunctions {
  readonly #tasks: Tasks;
  readonly #objects: Objects;
  readonly #recorder: Recorder;
  readonly #machines = new Map<string, Machine>();
  /** Machines by their text: the validator takes a good part of a second. */
  readonly #validated = new Map<string, Machine>();
  readonly #executions = new Map<string, Running>();
  /** What a second of a Wait, a Retry or a limit for an answer takes. */
  secondMs = 2;
  #server: Listening | undefined;

  constructor(functions: Functions, objects: Objects, recorder: Recorder) {
    this.#tasks = new Tasks(functions);
    this.#objects = objects;
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
    return this.#run(machine, { executionArn, stateMachineArn, name, input }).execution;
  }

  describeExecution(executionArn: string): Execution {
    return this.#find(executionArn).execution;
  }

  stopExecution(executionArn: string): void {
    this.#find(executionArn).stop();
  }

  /** Messages of tasks that wait for the answer of a person. */
  get messages(): readonly Message[] {
    return this.#tasks.messages;
  }

  sendTaskSuccess(taskToken: string, output: string): void {
    const data: unknown = JSON.parse(output);
    if (!this.#tasks.answer(taskToken, ({ resolve }) => resolve(data)))
      throw new Refusal("TaskDoesNotExist", "");
  }

  sendTaskFailure(taskToken: string, error: string, cause: string): void {
    const failure = new StateFailure(error, cause);
    if (!this.#tasks.answer(taskToken, ({ reject }) => reject(failure)))
      throw new Refusal("TaskDoesNotExist", "");
  }

  /** Executions of all state machines, oldest first. */
  get executions(): readonly Execution[] {
    return [...this.#executions.values()].map(({ execution }) => execution);
  }

  executionsOf(machine: string): readonly Execution[] {
    return this.executions.filter(({ stateMachineArn }) => stateMachineArn === machine);
  }

  /** Waits until the execution has ended. */
  async ended(executionArn: string): Promise<Execution> {
    const running = this.#find(executionArn);
    await running.ended;
    return running.execution;
  }

  /** Waits until the provider framework waits for nothing. */
  async waitersEnded(): Promise<void> {
    const waiters = () => this.#running().filter(({ isWaiter }) => isWaiter);
    while (waiters().length > 0) await Promise.all(waiters().map(({ ended }) => ended));
  }

  /** Stops all that runs. */
  async stopAll(): Promise<void> {
    for (const { stop } of this.#running()) stop();
    await Promise.all(this.#running().map(({ ended }) => ended));
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  #running(): readonly Running[] {
    return [...this.#executions.values()].filter(({ execution }) => execution.status === "RUNNING");
  }

  #run(machine: Machine, started: Started): Running {
    const { executionArn, stateMachineArn, name, input } = started;
    const isWaiter = "framework-isComplete-task" in machine.States;
    const stopped = new AbortController();
    const playing = play(machine, {
      input: JSON.parse(input),
      secondMs: this.secondMs,
      context: {
        Execution: { Id: executionArn, Name: name, RoleArn: "arn:aws:iam::123456789012:role/states" },
        StateMachine: { Id: stateMachineArn, Name: stateMachineArn.split(":").at(-1) ?? "" },
        Task: { Token: TASK_TOKEN },
      },
      perform: (work, given) =>
        this.#perform(work, given, { stateMachineArn, isWaiter, stopped: stopped.signal }),
      record: (text) => this.#record(isWaiter, executionArn, text),
    });
    const running: Running = {
      execution: { ...started, status: "RUNNING", startDate: Date.now() / 1_000 },
      isWaiter,
      ended: playing.outcome.then(({ output, ...outcome }) => {
        const text = outcome.status === "SUCCEEDED" ? { output: JSON.stringify(output) } : {};
        running.execution = { ...running.execution, ...outcome, ...text, stopDate: Date.now() / 1_000 };
      }),
      stop() {
        playing.abort();
        stopped.abort();
      },
    };
    this.#executions.set(executionArn, running);
    return running;
  }

  /**
   * The history is for those who may read it. The provider framework repeats the whole request of CloudFormation there,
   * in the error that means "not yet", which is nothing of ours.
   */
  #record(isWaiter: boolean, source: string, text: string): void {
    if (!isWaiter) this.#recorder.add({ source, kind: "history", text });
  }

  #perform(
    work: Work,
    input: unknown,
    from: { readonly stateMachineArn: string; readonly isWaiter: boolean; readonly stopped: AbortSignal },
  ): Promise<unknown> {
    switch (work.kind) {
      case "wait": {
        const { Seconds } = v.parse(v.object({ Seconds: v.number() }), input);
        return sleep(Seconds * this.secondMs, null, { signal: from.stopped });
      }
      case "fail": {
        const { Error: error, Cause } = v.parse(Failing, input);
        return Promise.reject(new StateFailure(error, JSON.stringify(Cause)));
      }
      case "task":
        return this.#tasks.perform(work.resource, input, from.isWaiter ? "invokeUnseen" : "invoke");
      case "map": {
        const { stateMachineArn, stopped } = from;
        const { label, children } = work;
        const start = (child: Started) => this.#run(children, child);
        return runMap(input, { stateMachineArn, stopped, label, start, objects: this.#objects });
      }
    }
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
        return this.describeExecution(v.parse(ByArn, body).executionArn);
      case "StopExecution":
        this.stopExecution(v.parse(ByArn, body).executionArn);
        return { stopDate: Date.now() / 1_000 };
      case "SendTaskSuccess": {
        const { taskToken, output } = v.parse(Success, body);
        this.sendTaskSuccess(taskToken, output);
        return {};
      }
      case "SendTaskFailure": {
        const { taskToken, error, cause } = v.parse(Failure, body);
        this.sendTaskFailure(taskToken, error, cause);
        return {};
      }
      default:
        throw new Refusal("UnknownOperationException", `${operation} is not known here`);
    }
  }
}

import { randomUUID } from "node:crypto";
import * as v from "valibot";
import type { Invocation } from "../lambda/sandbox.ts";
import { StateFailure } from "./interpreter.ts";

/** Lambda, as far as tasks call it. */
export interface Functions {
  invoke(nameOrArn: string, payload: string): Promise<Invocation>;
  /** For a caller that shows the answer to nobody. */
  invokeUnseen(nameOrArn: string, payload: string): Promise<Invocation>;
}

/** A message to a topic whose task waits for an answer. */
export interface Message {
  readonly topicArn: string;
  readonly text: string;
  readonly token: string;
}

/** Stands for the token in the Context Object: each task puts a token of its own in its place. */
export const TASK_TOKEN = "<task token>";

const Invoke = v.object({ FunctionName: v.string(), Payload: v.optional(v.unknown(), {}) });
const FunctionError = v.object({ errorType: v.optional(v.string(), "Error") });
const Publish = v.object({ TopicArn: v.string(), Message: v.unknown() });

interface Callback {
  resolve(output: unknown): void;
  reject(failure: StateFailure): void;
}

/** The services that tasks call. */
export class Tasks {
  readonly #functions: Functions;
  readonly #messages: Message[] = [];
  readonly #callbacks = new Map<string, Callback>();

  constructor(functions: Functions) {
    this.#functions = functions;
  }

  /** What tasks have published, oldest first. */
  get messages(): readonly Message[] {
    return this.#messages;
  }

  /** @throws StateFailure */
  async perform(resource: string, input: unknown, method: "invoke" | "invokeUnseen"): Promise<unknown> {
    const invoke = async (name: string, payload: unknown) =>
      answerOf(await this.#functions[method](name, JSON.stringify(payload)));
    if (resource.startsWith("arn:aws:lambda:")) return invoke(resource, input);
    switch (resource) {
      case "arn:aws:states:::lambda:invoke": {
        const { FunctionName, Payload } = v.parse(Invoke, input);
        return { ExecutedVersion: "$LATEST", Payload: await invoke(FunctionName, Payload), StatusCode: 200 };
      }
      case "arn:aws:states:::sns:publish.waitForTaskToken":
        return this.#publish(input);
      default:
        throw new Error(`the harness does not know the resource ${resource}`);
    }
  }

  /** @returns whether a task waited for it */
  answer(token: string, reply: (callback: Callback) => void): boolean {
    const callback = this.#callbacks.get(token);
    this.#callbacks.delete(token);
    if (callback !== undefined) reply(callback);
    return callback !== undefined;
  }

  #publish(input: unknown): Promise<unknown> {
    const token = randomUUID();
    const { TopicArn, Message } = v.parse(
      Publish,
      JSON.parse(JSON.stringify(input).replaceAll(TASK_TOKEN, token)),
    );
    const text = typeof Message === "string" ? Message : JSON.stringify(Message);
    this.#messages.push({ topicArn: TopicArn, text, token });
    return new Promise((resolve, reject) => {
      this.#callbacks.set(token, { resolve, reject });
    });
  }
}

/** The error of a function is the type that it has there, the cause the whole answer. */
function answerOf({ failed, payload }: Invocation): unknown {
  const answer: unknown = JSON.parse(payload);
  if (failed) throw new StateFailure(v.parse(FunctionError, answer).errorType, payload);
  return answer;
}

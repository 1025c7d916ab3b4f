import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { bodyOf, type Listening, listen } from "../http.ts";

export interface Work {
  readonly id: string;
  readonly arn: string;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  readonly payload: string;
}

/** What the process says about its work; `broken`: it could not even be started. */
export interface Said {
  readonly kind: "response" | "error" | "broken";
  readonly body: string;
}

/** The Lambda Runtime API for one process. */
export class RuntimeApi {
  #server: Listening | undefined;
  #asking: ServerResponse | undefined;
  #onAsk: (() => void) | undefined;
  #onSay: ((said: Said) => void) | undefined;
  #broken: Said | undefined;

  /** @returns host and port */
  async start(): Promise<string> {
    this.#server = await listen((request, response) => this.#serve(request, response));
    return `127.0.0.1:${this.#server.port}`;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  /** Hands work over as soon as the process asks for it. */
  async hand(work: Omit<Work, "id">): Promise<{ readonly id: string; readonly said: Promise<Said> }> {
    const id = randomUUID();
    const said = new Promise<Said>((resolve) => {
      this.#onSay = resolve;
    });
    await this.asked();
    if (this.#broken !== undefined) this.#onSay?.(this.#broken);
    else this.#send({ ...work, id });
    return { id, said };
  }

  /** The process has nothing to do, or cannot do anything. */
  asked(): Promise<void> {
    if (this.#asking !== undefined || this.#broken !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onAsk = resolve;
    });
  }

  #send({ id, arn, deadline, payload }: Work): void {
    this.#asking?.writeHead(200, {
      "content-type": "application/json",
      "lambda-runtime-aws-request-id": id,
      "lambda-runtime-deadline-ms": String(deadline),
      "lambda-runtime-invoked-function-arn": arn,
    });
    this.#asking?.end(payload);
    this.#asking = undefined;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.endsWith("/invocation/next")) {
      this.#asking = response;
      this.#onAsk?.();
      return;
    }
    const body = await bodyOf(request);
    response.writeHead(202).end();
    if (request.url?.endsWith("/init/error")) {
      this.#broken = { kind: "broken", body };
      this.#onAsk?.();
    } else {
      this.#onSay?.({ kind: request.url?.endsWith("/error") ? "error" : "response", body });
    }
  }
}

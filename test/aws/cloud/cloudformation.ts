import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { bodyOf, type Listening, listen } from "../http.ts";

/** What becomes of a call of DescribeStacks. */
export type DescribeAnswer = "status" | "denied" | "throttled" | "hang" | "cut" | "missing";

/** CloudFormation, as far as DescribeStacks of the stack that the harness drives. */
export class CloudFormation {
  #server: Listening | undefined;
  readonly #asked: string[] = [];
  /** Of the stack, as CloudFormation calls it. */
  status = "CREATE_IN_PROGRESS";
  answer: DescribeAnswer = "status";

  /** @returns address of the endpoint */
  async start(): Promise<string> {
    this.#server = await listen((request, response) => this.#serve(request, response));
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Names of the stacks that were asked about. */
  get asked(): readonly string[] {
    return this.#asked;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await bodyOf(request));
    const action = form.get("Action");
    if (action !== "DescribeStacks") return fail(response, "InvalidAction", `no ${action} here`);
    const name = form.get("StackName") ?? "";
    this.#asked.push(name);
    switch (this.answer) {
      case "denied":
        return fail(response, "AccessDenied", "User is not authorized to perform: DescribeStacks", 403);
      case "throttled":
        return fail(response, "Throttling", "Rate exceeded");
      case "missing":
        return fail(response, "ValidationError", `Stack with id ${name} does not exist`);
      case "hang":
        return sleep(600_000, undefined, { ref: false });
      case "cut":
        return void response.destroy();
      case "status":
        response.writeHead(200, { "content-type": "text/xml" }).end(describe(name, this.status));
    }
  }
}

function describe(id: string, status: string): string {
  const [, name = ""] = /:stack\/([^/]+)\//.exec(id) ?? [];
  return `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult>
<Stacks><member><StackId>${id}</StackId><StackName>${name}</StackName><StackStatus>${status}</StackStatus>
<CreationTime>2026-01-01T00:00:00.000Z</CreationTime></member></Stacks></DescribeStacksResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeStacksResponse>`;
}

function fail(response: ServerResponse, code: string, message: string, status = 400): void {
  response.writeHead(status, { "content-type": "text/xml" });
  response.end(
    `<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type>` +
      `<Code>${code}</Code><Message>${message}</Message></Error><RequestId>1</RequestId></ErrorResponse>`,
  );
}

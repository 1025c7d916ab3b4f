import { randomBytes } from "node:crypto";
import { createServer } from "node:https";
import * as v from "valibot";
import type { KeyPair } from "../../support/tls.ts";
import { bodyOf, type Listening, startListening } from "../http.ts";
import type { Recorder } from "../recorder.ts";

/** What CloudFormation takes; it says of a longer one only that it is too long. */
export const LONGEST_RESPONSE = 4_096;

const Response = v.strictObject({
  Status: v.picklist(["SUCCESS", "FAILED"]),
  Reason: v.optional(v.string()),
  StackId: v.string(),
  RequestId: v.string(),
  LogicalResourceId: v.string(),
  PhysicalResourceId: v.pipe(v.string(), v.minLength(1), v.maxBytes(1_024)),
  NoEcho: v.optional(v.boolean()),
  Data: v.optional(v.record(v.string(), v.string())),
});
export type CustomResourceResponse = v.InferOutput<typeof Response>;

export interface Slot {
  /** The presigned address for the answer. */
  readonly url: string;
  /** What has been put there. */
  readonly bodies: readonly string[];
}

/** Takes the answers of custom resources, as CloudFormation's bucket does. */
export class ResponseServer {
  readonly #recorder: Recorder;
  readonly #slots = new Map<string, string[]>();
  #server: Listening | undefined;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** @returns its port */
  async start({ key, cert }: KeyPair): Promise<number> {
    const server = createServer({ key, cert }, async (request, response) => {
      const body = await bodyOf(request);
      this.#recorder.add({ source: "CloudFormation", kind: "response", text: body });
      const bodies = this.#slots.get(request.url ?? "");
      bodies?.push(body);
      response.writeHead(request.method === "PUT" && bodies !== undefined ? 200 : 403).end();
    });
    this.#server = await startListening(server);
    return this.#server.port;
  }

  /** @param signature secret part of the address */
  open(signature: string): Slot {
    const path = `/${encodeURIComponent(`arn:aws:cloudformation:${randomBytes(8).toString("hex")}`)}`;
    const query = `?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=${signature}`;
    const bodies: string[] = [];
    this.#slots.set(`${path}${query}`, bodies);
    // Without the port, because the provider framework does not read it.
    return { url: `https://localhost${path}${query}`, bodies };
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }
}

/** The answer as CloudFormation understands it. */
export function readResponse(body: string): CustomResourceResponse {
  const response = v.parse(Response, JSON.parse(body));
  if (Buffer.byteLength(body) <= LONGEST_RESPONSE) return response;
  return { ...response, Status: "FAILED", Reason: "Response object is too long.", Data: {} };
}

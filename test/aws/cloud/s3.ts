import type { IncomingMessage, ServerResponse } from "node:http";
import { bodyOf, type Listening, listen } from "../http.ts";

/** What a function may be refused. */
export type S3Action = "GetObject" | "PutObject" | "ListBucket";

/** S3 with paths instead of host names, as far as functions call it: get, put and list. A bucket comes with its first object. */
export class S3 {
  readonly #buckets = new Map<string, Map<string, string>>();
  readonly #denied = new Set<string>();
  #server: Listening | undefined;
  /** S3 lists a thousand keys at once. */
  pageSize = 1_000;

  /** @returns address of the endpoint */
  async start(): Promise<string> {
    this.#server = await listen((request, response) => this.#serve(request, response));
    return `http://127.0.0.1:${this.#server.port}`;
  }

  put(bucket: string, key: string, text: string): void {
    const objects = this.#buckets.get(bucket) ?? new Map<string, string>();
    this.#buckets.set(bucket, objects.set(key, text));
  }

  /** Undefined when there is no such object. */
  get(bucket: string, key: string): string | undefined {
    return this.#buckets.get(bucket)?.get(key);
  }

  remove(bucket: string, key: string): void {
    this.#buckets.get(bucket)?.delete(key);
  }

  /** What all objects have in them. */
  get contents(): readonly { readonly name: string; readonly text: string }[] {
    return [...this.#buckets].flatMap(([bucket, objects]) =>
      [...objects].map(([key, text]) => ({ name: `s3://${bucket}/${key}`, text })),
    );
  }

  /** In the order of S3. */
  keys(bucket: string, prefix = ""): readonly string[] {
    const keys = [...(this.#buckets.get(bucket)?.keys() ?? [])];
    return keys.filter((key) => key.startsWith(prefix)).sort();
  }

  /** Refuses an action in a bucket from now on. */
  deny(action: S3Action, bucket: string): void {
    this.#denied.add(`${action} ${bucket}`);
  }

  allow(): void {
    this.#denied.clear();
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://s3");
    const [, bucket = "", ...path] = pathname.split("/").map(decodeURIComponent);
    const key = path.join("/");
    const action: S3Action = key === "" ? "ListBucket" : request.method === "PUT" ? "PutObject" : "GetObject";
    if (this.#denied.has(`${action} ${bucket}`)) return fail(response, 403, "AccessDenied", "Access Denied");
    if (action === "PutObject") {
      this.put(bucket, key, await bodyOf(request));
      response.writeHead(200, { etag: '"1"' }).end();
      return;
    }
    if (!this.#buckets.has(bucket)) {
      return fail(response, 404, "NoSuchBucket", "The specified bucket does not exist");
    }
    if (action === "ListBucket") return this.#list(response, bucket, searchParams);
    const text = this.get(bucket, key);
    if (text === undefined) return fail(response, 404, "NoSuchKey", "The specified key does not exist.");
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
    });
    response.end(text);
  }

  #list(response: ServerResponse, bucket: string, query: URLSearchParams): void {
    const all = this.keys(bucket, query.get("prefix") ?? "");
    const from = Number(query.get("continuation-token") ?? 0);
    const page = all.slice(from, from + this.pageSize);
    const next = from + page.length;
    const more = next < all.length ? `<NextContinuationToken>${next}</NextContinuationToken>` : "";
    response
      .writeHead(200, { "content-type": "application/xml" })
      .end(
        `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>${bucket}</Name><IsTruncated>${next < all.length}</IsTruncated>` +
          `${more}${page.map((key) => `<Contents><Key>${escapeXml(key)}</Key><Size>1</Size></Contents>`).join("")}</ListBucketResult>`,
      );
  }
}

function fail(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(
    `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  );
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

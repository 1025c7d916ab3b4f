import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { type ErrorCode, MigrationError } from "../../lib/core/index.ts";

const CLIENT = {
  maxAttempts: 4,
  // A bucket with targets may be in another region than the fleet.
  followRegionRedirects: true,
  requestHandler: { connectionTimeout: 3_000, requestTimeout: 30_000, throwOnRequestTimeout: true },
} as const;

/** More is no list of targets, and no results of one Map Run. */
const OBJECT_BYTES = 64 * 1024 * 1024;

/** One bucket. Its errors have the code of what is kept there. */
export class Bucket {
  readonly name: string;
  readonly #code: ErrorCode;
  readonly #client = new S3Client(CLIENT);

  constructor(name: string, code: ErrorCode) {
    this.name = name;
    this.#code = code;
  }

  /** Text of an object. @throws MigrationError also when there is none, or when it has more than `limit` bytes */
  async read(key: string, limit = OBJECT_BYTES): Promise<string> {
    const { Body, ContentLength = 0 } = await this.#ask("GetObject", key, () =>
      this.#client.send(new GetObjectCommand({ Bucket: this.name, Key: key })),
    );
    if (ContentLength > limit) {
      throw new MigrationError(
        this.#code,
        `${this.#place(key)} has ${ContentLength} bytes, more than the ${limit} that are read`,
        {
          hint: "Is it the right object? Divide a list that is longer among several fleets.",
        },
      );
    }
    return await this.#ask("GetObject", key, async () => (await Body?.transformToString()) ?? "");
  }

  async write(key: string, content: unknown): Promise<void> {
    const Body = JSON.stringify(content);
    await this.#ask("PutObject", key, () =>
      this.#client.send(
        new PutObjectCommand({ Bucket: this.name, Key: key, Body, ContentType: "application/json" }),
      ),
    );
  }

  /** All keys that begin with `prefix`. */
  async keys(prefix: string): Promise<readonly string[]> {
    const keys: string[] = [];
    let token: string | undefined;
    do {
      const page = { Bucket: this.name, Prefix: prefix, ContinuationToken: token };
      const answer = await this.#ask("ListBucket", prefix, () =>
        this.#client.send(new ListObjectsV2Command(page)),
      );
      keys.push(...(answer.Contents ?? []).flatMap(({ Key }) => Key ?? []));
      token = answer.NextContinuationToken;
    } while (token !== undefined);
    return keys;
  }

  close(): void {
    this.#client.destroy();
  }

  #place(key: string): string {
    return `s3://${this.name}/${key}`;
  }

  async #ask<T>(action: string, key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
      const what = action === "PutObject" ? "written" : action === "ListBucket" ? "listed" : "read";
      throw new MigrationError(this.#code, `${this.#place(key)} cannot be ${what}: ${name}: ${message}`, {
        hint: hintFor(name, action),
        cause,
      });
    }
  }
}

function hintFor(name: string, action: string): string {
  if (name === "NoSuchKey" || name === "NotFound")
    return "There is no such object: is its key the right one?";
  if (name === "NoSuchBucket") return "There is no such bucket: is its name the right one?";
  if (/^(?:AccessDenied|Forbidden|KMS)/.test(name)) {
    return `The function's role needs s3:${action} for it, and kms:Decrypt and kms:GenerateDataKey for the key of its bucket. Without s3:ListBucket, S3 says AccessDenied of an object that does not exist, too.`;
  }
  return "The message is that of S3. Start the execution again when its reason is gone.";
}

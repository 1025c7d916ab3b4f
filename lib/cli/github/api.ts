import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { errorMessage, MigrationError } from "../../core/index.ts";
import type { ProcessIo } from "../process-io.ts";

/** GitHub's API refused a request, or did not answer. */
export class ApiFailure extends Error {
  /** Of the answer; undefined if there was none. */
  readonly status: number | undefined;
  /** How long GitHub asks to wait; undefined if trying again would not help. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, status?: number, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the token lacks the right. */
  get isDenied(): boolean {
    return (
      this.retryAfterMs === undefined && (this.status === 401 || this.status === 403 || this.status === 404)
    );
  }
}

/** GitHub's REST API, with the rights of the token in the environment. */
export class GitHubApi {
  readonly #io: ProcessIo;
  readonly #token: string;
  /** Where the repository is, below the address of the API. */
  readonly repository: string;

  /** @throws MigrationError `USAGE` without a token or a repository */
  constructor(io: ProcessIo) {
    this.#io = io;
    this.#token = required(io, "GITHUB_TOKEN");
    this.repository = `/repos/${required(io, "GITHUB_REPOSITORY")}`;
  }

  /** What GitHub answers, in the form of the schema. @throws ApiFailure */
  async request<S extends v.GenericSchema>(
    schema: S,
    { method = "GET", path, body }: ApiRequest,
  ): Promise<v.InferOutput<S>> {
    const answer = await this.#send({ method, path, body });
    try {
      const content: unknown = answer.status === 204 ? undefined : JSON.parse(await answer.text());
      return v.parse(schema, content);
    } catch (error) {
      throw new ApiFailure(
        `${method} ${path}: not an answer of GitHub (${errorMessage(error)})`,
        answer.status,
      );
    }
  }

  /** All items of a list that comes in pages. @throws ApiFailure */
  async list<S extends v.GenericSchema>(schema: S, path: string): Promise<v.InferOutput<S>[]> {
    const items: v.InferOutput<S>[] = [];
    for (let page = 1; ; page += 1) {
      const query = `${path.includes("?") ? "&" : "?"}per_page=${PAGE}&page=${page}`;
      const found = await this.request(v.array(schema), { path: path + query });
      items.push(...found);
      if (found.length < PAGE) return items;
    }
  }

  async #send({ method, path, body }: ApiRequest & { readonly method: string }) {
    const { env, signal } = this.#io;
    try {
      const answer = await fetch((env["GITHUB_API_URL"] || "https://api.github.com") + path, {
        method,
        headers: {
          accept: "application/vnd.github+json",
          authorization: `Bearer ${this.#token}`,
          "x-github-api-version": "2022-11-28",
          "user-agent": "cdk-pg-migrate",
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
      });
      if (answer.ok) return answer;
      throw await failureOf(answer, `${method} ${path}`);
    } catch (error) {
      if (error instanceof ApiFailure) throw error;
      signal.throwIfAborted();
      const cause = errorMessage(error instanceof Error && error.cause !== undefined ? error.cause : error);
      throw new ApiFailure(`${method} ${path}: no answer (${cause})`, undefined, 0);
    }
  }
}

interface ApiRequest {
  readonly method?: "GET" | "POST" | "PATCH" | "DELETE";
  /** Below the address of the API. */
  readonly path: string;
  readonly body?: unknown;
}

const PAGE = 100;
const ANSWER_MS = 30_000;

interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

/** Too many requests are answered with 429, or with 403 and a header that says until when. */
async function failureOf(answer: Answer, request: string): Promise<ApiFailure> {
  const { status, headers } = answer;
  const text = (await answer.text().catch(() => "")).slice(0, 2000);
  const message = `${request}: ${status} ${messageIn(text)}`.trim();
  const retryAfter = headers.get("retry-after");
  const isLimited =
    retryAfter !== null || headers.get("x-ratelimit-remaining") === "0" || /rate limit/i.test(text);
  const isTemporary = status >= 500 || status === 429 || (status === 403 && isLimited);
  return new ApiFailure(message, status, isTemporary ? Number(retryAfter ?? 0) * 1000 : undefined);
}

function messageIn(text: string): string {
  try {
    const content: unknown = JSON.parse(text);
    return v.parse(v.object({ message: v.string() }), content).message;
  } catch {
    return "";
  }
}

const TRIES = 5;
const LONGEST_WAIT_MS = 60_000;

/** Does the work again, after a longer wait each time, while GitHub cannot answer. @throws ApiFailure */
export async function retried<T>({ signal }: ProcessIo, work: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ApiFailure) || error.retryAfterMs === undefined || tried === TRIES) throw error;
      const wait = Math.max(error.retryAfterMs, 500 * 2 ** tried);
      await sleep(Math.min(wait, LONGEST_WAIT_MS), undefined, { signal });
    }
  }
}

function required({ env }: ProcessIo, name: string): string {
  const value = env[name];
  if (value !== undefined && value !== "") return value;
  throw new MigrationError("USAGE", `${name} is not set`, {
    hint: "This is for a step of a workflow of GitHub. Its env must pass the token of the job as GITHUB_TOKEN.",
  });
}

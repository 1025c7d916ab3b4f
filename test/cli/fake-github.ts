import { bodyOf, listen } from "../aws/http.ts";

export interface FakeComment {
  readonly id: number;
  body: string;
  readonly user: { readonly login: string; readonly type: string };
}

/** GitHub's API as far as comments go: it keeps those of pull request 7 of the repository `o/r`. */
export interface FakeGitHub {
  readonly url: string;
  comments: FakeComment[];
  /** Method and path of every request. */
  readonly requests: string[];
  /** Status of the next answers, in place of the right ones. */
  readonly failures: {
    readonly status: number;
    readonly body?: string;
    readonly headers?: Record<string, string>;
  }[];
  /** Answers of other paths. */
  readonly answers: Record<string, unknown>;
  /** Forgets everything. */
  reset(): void;
  close(): Promise<void>;
}

const BOT = { login: "github-actions[bot]", type: "Bot" };
const TOKEN = "Bearer the-token-of-the-job";

export async function startGitHub(): Promise<FakeGitHub> {
  let lastId = 1000;
  const fake: Omit<FakeGitHub, "url" | "close" | "reset"> = {
    comments: [],
    requests: [],
    failures: [],
    answers: {},
  };
  const server = await listen(async (request, response) => {
    const { method = "", url = "" } = request;
    fake.requests.push(`${method} ${url}`);
    const send = (status: number, content: unknown, headers: Record<string, string> = {}) =>
      void response
        .writeHead(status, { "content-type": "application/json", ...headers })
        .end(status === 204 ? undefined : JSON.stringify(content));
    const { body } = parseBody(await bodyOf(request));
    const failure = fake.failures.shift();
    if (failure !== undefined)
      return send(failure.status, { message: failure.body ?? "no" }, failure.headers);
    if (request.headers.authorization !== TOKEN) return send(401, { message: "Bad credentials" });
    const { pathname, searchParams } = new URL(url, "http://localhost");
    if (pathname in fake.answers) return send(200, fake.answers[pathname]);
    const id = Number(/^\/repos\/o\/r\/issues\/comments\/(\d+)$/.exec(pathname)?.[1]);
    const comment = fake.comments.find((one) => one.id === id);
    if (pathname === "/repos/o/r/issues/7/comments" && method === "GET") {
      const [size, page] = [Number(searchParams.get("per_page")), Number(searchParams.get("page"))];
      return send(200, fake.comments.slice((page - 1) * size, page * size));
    }
    if (pathname === "/repos/o/r/issues/7/comments" && method === "POST") {
      lastId += 1;
      const created = { id: lastId, body, user: BOT };
      fake.comments.push(created);
      return send(201, created);
    }
    if (comment !== undefined && method === "PATCH") {
      comment.body = body;
      return send(200, comment);
    }
    if (comment !== undefined && method === "DELETE") {
      fake.comments = fake.comments.filter((one) => one !== comment);
      return send(204, undefined);
    }
    return send(404, { message: "Not Found" });
  });
  return Object.assign(fake, {
    url: `http://127.0.0.1:${server.port}`,
    reset: () => {
      fake.comments = [];
      fake.requests.length = 0;
      fake.failures.length = 0;
      for (const path of Object.keys(fake.answers)) delete fake.answers[path];
    },
    close: server.close,
  });
}

/** GitHub refuses longer comments. */
const LONGEST = 65_536;

function parseBody(text: string): { body: string } {
  const content: unknown = text === "" ? {} : JSON.parse(text);
  const body: unknown = typeof content === "object" && content !== null && Reflect.get(content, "body");
  if (typeof body !== "string") return { body: "" };
  if (body.length > LONGEST) throw new Error("Body is too long");
  return { body };
}

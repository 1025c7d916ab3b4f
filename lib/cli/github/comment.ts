import * as v from "valibot";
import type { ProcessIo } from "../process-io.ts";
import { ApiFailure, GitHubApi, retried } from "./api.ts";
import { readEvent, type WorkflowEvent } from "./event.ts";
import { shorten } from "./shorten.ts";

/** A page for a pull request. */
export interface CommentRequest {
  readonly page: string;
  /** Tells the comments of several folders apart. */
  readonly key: string;
  /** Whether there may be a comment that has to be changed, but none has to be made. */
  readonly updateOnly: boolean;
}

export type CommentResult =
  | { readonly done: "created" | "updated"; readonly pullRequest: number }
  | { readonly done: "nothing"; readonly reason: string }
  | { readonly done: "denied"; readonly reason: string };

/**
 * Keeps one comment of this key on the pull request of the workflow.
 * @throws ApiFailure if GitHub does not answer, or refuses for another reason than a missing right
 */
export async function keepComment(io: ProcessIo, request: CommentRequest): Promise<CommentResult> {
  const event = await readEvent(io);
  const api = new GitHubApi(io);
  try {
    // A comment may have been made although its answer was lost: each try looks for it again.
    return await retried(io, async () => {
      const found = await findPullRequest(api, event);
      if (found === undefined)
        return { done: "nothing", reason: "there is no open pull request for this event" } as const;
      return writeComment(api, found, { ...request, page: bodyOf(io, event, request) });
    });
  } catch (error) {
    if (error instanceof ApiFailure && error.isDenied) return { done: "denied", reason: error.message };
    throw error;
  }
}

const PULL_REQUEST = v.object({ number: v.number(), head: v.object({ sha: v.string() }) });

/**
 * That of a workflow that ran before is looked up: for a fork, the event does not name it, and what that workflow says
 * itself cannot be trusted.
 */
async function findPullRequest(api: GitHubApi, event: WorkflowEvent): Promise<number | undefined> {
  const { pull_request: pullRequest, workflow_run: run } = event;
  if (pullRequest !== undefined) return pullRequest.number;
  const { login } = run?.head_repository?.owner ?? {};
  if (run?.event !== "pull_request" || login === undefined || run.head_branch === null) return undefined;
  const head = encodeURIComponent(`${login}:${run.head_branch}`);
  const open = await api.list(PULL_REQUEST, `${api.repository}/pulls?state=open&head=${head}`);
  return open.find((one) => one.head.sha === run.head_sha)?.number;
}

/** GitHub refuses a longer comment. */
const COMMENT_CHARACTERS = 65_536;

function bodyOf(io: ProcessIo, event: WorkflowEvent, { page, key }: CommentRequest): string {
  const { GITHUB_SERVER_URL: server = "https://github.com", GITHUB_REPOSITORY: repository } = io.env;
  const id = event.workflow_run?.id ?? io.env["GITHUB_RUN_ID"];
  const commit = event.workflow_run?.head_sha ?? event.pull_request?.head.sha ?? "";
  const url = `${server}/${repository}/actions/runs/${id}`;
  const end = `\n\n<sub>Of commit ${commit}, checked in [this run](${url}).</sub>\n`;
  const limit = COMMENT_CHARACTERS - markOf(key).length - 1 - end.length;
  const note = `left out: a comment has at most ${COMMENT_CHARACTERS} characters. [The summary of the run](${url}) has them.`;
  const body = shorten(page.trimEnd(), { limit, sizeOf: (text) => text.length, note });
  return `${markOf(key)}\n${body}${end}`;
}

/** The first line of the comment, which is not shown. */
function markOf(key: string): string {
  return `<!-- cdk-pg-migrate ${encodeURIComponent(key)} -->`;
}

const COMMENT = v.object({
  id: v.number(),
  body: v.nullish(v.string()),
  user: v.nullable(v.object({ login: v.string(), type: v.string() })),
});

type Comment = v.InferOutput<typeof COMMENT>;

async function writeComment(
  api: GitHubApi,
  pullRequest: number,
  { page: body, key, updateOnly }: CommentRequest,
): Promise<CommentResult> {
  const comments = `${api.repository}/issues/${pullRequest}/comments`;
  const [first, ...more] = await findComments(api, comments, markOf(key));
  const pathOf = ({ id }: Comment) => `${api.repository}/issues/comments/${id}`;
  // Two runs at the same time may have made one each.
  for (const one of more) await api.request(v.unknown(), { method: "DELETE", path: pathOf(one) });
  if (first !== undefined) {
    await api.request(v.unknown(), { method: "PATCH", path: pathOf(first), body: { body } });
    return { done: "updated", pullRequest };
  }
  if (updateOnly)
    return { done: "nothing", reason: "nothing has changed, and there is no comment to update" };
  await api.request(v.unknown(), { method: "POST", path: comments, body: { body } });
  return { done: "created", pullRequest };
}

/** Anybody may write the mark: a comment of another person is not ours. */
async function findComments(api: GitHubApi, path: string, mark: string): Promise<Comment[]> {
  const marked = (await api.list(COMMENT, path)).filter(({ body }) => body?.startsWith(mark));
  const isOfPerson = ({ user }: Comment) => user?.type !== "Bot";
  const ours = marked.some(isOfPerson) ? await ownLogin(api) : undefined;
  return marked.filter((one) => !isOfPerson(one) || (ours !== undefined && one.user?.login === ours));
}

/** The person whose token it is; undefined for the token of an app, which may not ask. */
async function ownLogin(api: GitHubApi): Promise<string | undefined> {
  try {
    return (await api.request(v.object({ login: v.string() }), { path: "/user" })).login;
  } catch (error) {
    if (error instanceof ApiFailure && error.isDenied) return undefined;
    throw error;
  }
}

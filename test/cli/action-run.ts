import { afterAll, afterEach, beforeAll } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { type FakeGitHub, startGitHub } from "./fake-github.ts";
import { Repository } from "./repository.ts";
import { type ActionResult, linkPackage, runAction } from "./workflow.ts";

let started: FakeGitHub | undefined;
beforeAll(async () => {
  started = await startGitHub();
});
afterEach(() => started?.reset());
afterAll(() => started?.close());

/** The API that the actions of this test file get. */
export function github(): FakeGitHub {
  if (started === undefined) throw new Error("no test is running");
  return started;
}

/** The comments with the mark of the action, whoever wrote them. */
export function ourComments() {
  return github().comments.filter(({ body }) => body.startsWith("<!-- cdk-pg-migrate"));
}

export interface Given {
  readonly inputs?: Readonly<Record<string, string>>;
  readonly eventName?: string;
  readonly fork?: boolean;
}

export type Run = (given?: Given) => Promise<ActionResult>;

/** Runs a test with a repository that has the package, and an action that tries migrations in a shadow database. */
export function withRepository(
  files: Readonly<Record<string, string>>,
  test: (repository: Repository, run: Run, shadow: string) => Promise<void>,
): Promise<void> {
  return withDatabase(async ({ connection: { user, password, host, port, database } }) => {
    const shadow = `postgres://${user}:${password}@${host}:${port}/${database}?sslmode=disable`;
    const repository = new Repository(files);
    linkPackage(repository.dir);
    const run: Run = ({ inputs = {}, eventName = "pull_request", fork = false } = {}) =>
      runAction({
        workspace: repository.dir,
        inputs: { "shadow-database-url": shadow, ...inputs },
        eventName,
        event: pullRequest(repository.git("rev-parse", "topic"), fork ? "stranger/r" : "o/r"),
        env: { GITHUB_API_URL: github().url, GITHUB_SHA: repository.git("rev-parse", "HEAD") },
      });
    await test(repository, run, shadow);
  });
}

export function pullRequest(sha: string, from: string) {
  const repo = { full_name: from };
  return { pull_request: { number: 7, base: { sha: "0".repeat(40) }, head: { sha, repo } } };
}

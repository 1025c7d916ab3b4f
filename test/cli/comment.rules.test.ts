import { describe, expect, it } from "@jest/globals";
import { writeFolder } from "../support/folders.ts";
import { github, ourComments } from "./action-run.ts";
import { jsonOf, type Outcome, runCommand } from "./command.ts";

const SHA = "a".repeat(40);
const PULL_REQUEST = {
  pull_request: { number: 7, base: { sha: SHA }, head: { sha: SHA } },
};
const WORKFLOW_RUN = {
  workflow_run: {
    id: 99,
    event: "pull_request",
    head_sha: SHA,
    head_branch: "topic",
    head_repository: { owner: { login: "stranger" } },
    // What a fork says itself is not read.
    pull_requests: [{ number: 8 }],
  },
};

function comment(
  event: unknown,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const dir = writeFolder({ "event.json": JSON.stringify(event), "page.md": "# Page\n", "empty.md": "\n" });
  return runCommand(dir, ["comment", "page.md", ...args], {
    GITHUB_API_URL: github().url,
    GITHUB_EVENT_PATH: "event.json",
    GITHUB_REPOSITORY: "o/r",
    GITHUB_RUN_ID: "42",
    GITHUB_TOKEN: "the-token-of-the-job",
    ...env,
  });
}

describe("the comment after another workflow", () => {
  it("the pull request of a fork is found by its branch and its commit", async () => {
    github().answers["/repos/o/r/pulls"] = [
      { number: 6, head: { sha: "b".repeat(40) } },
      { number: 7, head: { sha: SHA } },
    ];
    expect(await comment(WORKFLOW_RUN)).toMatchObject({
      code: 0,
      stdout: "The comment on pull request 7 was created.\n",
    });
    expect(github().requests[0]).toContain("/pulls?state=open&head=stranger%3Atopic&");
    expect(ourComments()[0]?.body).toContain("/o/r/actions/runs/99");
  });

  it("there is no comment when the pull request has another commit by now, or the workflow another event", async () => {
    github().answers["/repos/o/r/pulls"] = [{ number: 7, head: { sha: "b".repeat(40) } }];
    const push = { workflow_run: { ...WORKFLOW_RUN.workflow_run, event: "push" } };
    for (const event of [WORKFLOW_RUN, push, {}]) {
      expect(await comment(event)).toMatchObject({
        code: 0,
        stdout: "No comment: there is no open pull request for this event.\n",
      });
    }
    expect(github().comments).toEqual([]);
  });
});

describe("whose comment it is", () => {
  it("the owner of a personal token updates the own comment, and no comment of others", async () => {
    const body = "<!-- cdk-pg-migrate migrations -->\nold";
    github().comments = ["stranger", "owner"].map((login, id) => ({
      id,
      body,
      user: { login, type: "User" },
    }));
    github().answers["/user"] = { login: "owner" };
    expect(jsonOf(await comment(PULL_REQUEST, ["--json"]))).toMatchObject({ ok: true, done: "updated" });
    expect(github().comments.map((one) => one.body === body)).toEqual([true, false]);
  });

  it("a second comment, of two runs at the same time, is deleted", async () => {
    const user = { login: "github-actions[bot]", type: "Bot" };
    const body = "<!-- cdk-pg-migrate migrations -->\nold";
    github().comments = [1, 2, 3].map((id) => ({ id, body, user }));
    expect(await comment(PULL_REQUEST, ["--update-only"])).toMatchObject({ code: 0 });
    expect(github().comments.map(({ id }) => id)).toEqual([1]);
    expect(await comment(PULL_REQUEST, ["--update-only", "--key", "-->"])).toMatchObject({
      stdout: "No comment: nothing has changed, and there is no comment to update.\n",
    });
  });
});

describe("the comment with wrong settings", () => {
  it.each([
    [{ GITHUB_TOKEN: "" }, 2, "GITHUB_TOKEN is not set"],
    [{ GITHUB_REPOSITORY: "" }, 2, "GITHUB_REPOSITORY is not set"],
    [{ GITHUB_EVENT_PATH: "" }, 2, "GITHUB_EVENT_PATH is not set"],
    [{ GITHUB_EVENT_PATH: "page.md" }, 2, "the event of the workflow cannot be read"],
  ])("comment with %j exits with %i", async (env, code, message) => {
    expect(await comment(PULL_REQUEST, [], env)).toMatchObject({
      code,
      stderr: expect.stringContaining(message),
    });
  });

  it("a token that GitHub refuses is a warning that does not show it", async () => {
    const { code, stdout, stderr } = await comment(PULL_REQUEST, [], { GITHUB_TOKEN: "wrong-token" });
    expect(code).toBe(0);
    expect(stdout).toContain("401 Bad credentials");
    expect(stdout + stderr).not.toContain("wrong-token");
  });

  it("comment refuses a page that is missing or empty", async () => {
    const dir = writeFolder({ "empty.md": "\n" });
    expect(await runCommand(dir, ["comment", "empty.md"])).toMatchObject({ code: 2 });
    expect(await runCommand(dir, ["comment", "none.md"])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/cannot read .*none\.md: there is no such file\n/),
    });
    expect(await runCommand(dir, ["comment"])).toMatchObject({ code: 2 });
  });

  it("an answer that is none of GitHub is an error", async () => {
    github().answers["/repos/o/r/issues/7/comments"] = { html: "<p>Log in</p>" };
    expect(await comment(PULL_REQUEST)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Error GITHUB\n.*not an answer of GitHub/),
    });
  });
});

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { writeFolder } from "../support/folders.ts";
import { REPOSITORY } from "./markdown.ts";

const HOOK = join(REPOSITORY, ".githooks/commit-msg");

function check(message: string) {
  const dir = writeFolder({ message });
  const { status, stderr } = spawnSync(HOOK, [join(dir, "message")], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], LC_ALL: "C" },
  });
  return { status, stderr };
}

describe("the commit hook", () => {
  it.each([
    ["an imperative subject", "Poll the lock instead of waiting for it\n"],
    ["a subject with a body", "Poll the lock\n\nWaiting for it cannot be cancelled.\n"],
    ["72 characters, however many bytes they are", `Ü${"x".repeat(71)}\n`],
    ["a verb that only looks like another form", "Bring the lock back\n"],
    ["git's own comments below", "Poll the lock\n# Please enter the commit message\n"],
    ["a merge", "Merge branch 'a-very-long-name-of-a-branch-that-nobody-would-ever-choose' into main\n"],
  ])("the commit hook accepts %s", (_, message) => {
    expect(check(message)).toEqual({ status: 0, stderr: "" });
  });

  it.each([
    ["an empty subject", "\nbody\n", "the subject is empty"],
    ["73 characters", `${"x".repeat(73).replace("x", "X")}\n`, "more than 72 characters"],
    ["a small letter", "poll the lock\n", "begins with a small letter"],
    ["a full stop", "Poll the lock.\n", "ends with a full stop"],
    ["the past tense", "Polled the lock\n", "not in the imperative"],
    ["a participle", "Polling the lock\n", "not in the imperative"],
    ["a body without a blank line before it", "Poll the lock\nbecause\n", "a blank line must follow"],
  ])("the commit hook refuses %s", (_, message, reason) => {
    const { status, stderr } = check(message);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(reason) });
  });
});

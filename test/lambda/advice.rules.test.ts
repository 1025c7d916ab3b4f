import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { adviseInLambda, findingsInLambda, hintInLambda } from "../../lambda/runtime/advice.ts";
import { MigrationError } from "../../lib/core/index.ts";

const LIB = join(import.meta.dirname, "..", "..", "lib");
/** The rooms whose hints reach an operator. */
const ROOMS = ["engine", "postgres"].map((room) => join(LIB, room));

/** Texts of the engine that name a flag of the command line. */
function textsWithFlags(): string[] {
  const files = ROOMS.flatMap((room) =>
    readdirSync(room, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => join(room, path)),
  );
  return files.flatMap((path) => {
    const code = readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
    return [...code.matchAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g)]
      .map(([text]) =>
        text
          .slice(1, -1)
          .replaceAll("\\`", "`")
          .replace(/\$\{\w+\}/g, "1_a"),
      )
      .filter((text) => /(?:^|[\s`(])--[a-z]/.test(text) && !/^\s*--/.test(text));
  });
}

describe("the engine's advice in an answer", () => {
  test.each([...new Set(textsWithFlags())].map((text) => [text]))(
    "has no flag of the command line: %s",
    (text) => {
      expect(hintInLambda(text)).not.toMatch(/--[a-z]/);
    },
  );

  test.each([
    [
      "apply it where it is with --order allow.",
      'apply it where it is with the construct\'s `order: "allow"`.',
    ],
    ["(--lock-timeout and more)", "(the construct's `lockTimeout` and more)"],
    ["leave --from history out.", 'leave "from": "history" out.'],
    ["as --applied or --reverted", 'as "outcome": "applied" or "outcome": "reverted"'],
    ["`plan --down --from file` shows it", '`{"command": "plan", "down": true, "from": "file"}` shows it'],
    [
      "`resolve 1_a --retry` goes on",
      '`{"command": "resolve", "migration": "1_a", "outcome": "retry"}` goes on',
    ],
    ["settle it with `resolve`.", "settle it with `resolve`."],
    [
      "deploy it again, with --no-rollback when it fails",
      "deploy it again, with --no-rollback when it fails",
    ],
  ])("says what to send or to set: %s", (hint, expected) => {
    expect(hintInLambda(hint)).toBe(expected);
  });

  test("replaces what only somebody at a terminal can do, in errors and in findings", () => {
    const unmanaged = new MigrationError("UNMANAGED", "tables", { hint: "`baseline` says so (--to)." });
    const said = adviseInLambda(unmanaged).details.hint;
    expect(said).toMatch(/--no-rollback.*"command": "baseline".*"confirm"/);
    expect(findingsInLambda([{ code: "UNMANAGED", hint: "by --to" }])).toEqual([
      { code: "UNMANAGED", hint: said },
    ]);
  });

  test("names the construct's timeout where the time was up, whatever migration it was", () => {
    const late = new MigrationError("DEADLINE", "up", { migration: "1_a", hint: "Run again." });
    expect(adviseInLambda(late).details.hint).toMatch(/`timeout`.*14 minutes/);
  });

  test("is the engine's own where the server answered and refused", () => {
    const full = new MigrationError("CONNECTION", "full", { sqlstate: "53300", hint: "Close some." });
    expect(adviseInLambda(full).details.hint).toBe("Close some.");
  });
});

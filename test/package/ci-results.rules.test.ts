import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { writeFolder } from "../support/folders.ts";

const SCRIPT = join(import.meta.dirname, "..", "..", "scripts", "ci-results.mjs");

type Tests = Readonly<Record<string, "passed" | "failed">>;

/** What jest reports about some files. A file without tests could not be loaded. */
function report(folder: string, name: string, files: Readonly<Record<string, Tests>>): string {
  const testResults = Object.entries(files).map(([file, tests]) => ({
    name: join(process.cwd(), file),
    status: Object.values(tests).includes("failed") || Object.keys(tests).length === 0 ? "failed" : "passed",
    assertionResults: Object.entries(tests).map(([fullName, status]) => ({ fullName, status })),
  }));
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ testResults }));
  return path;
}

function results(...args: string[]): { lines: string[]; code: number | null } {
  const { stdout, status } = spawnSync(process.execPath, [SCRIPT, ...args], { encoding: "utf8" });
  return { lines: stdout.split("\n").filter(Boolean), code: status };
}

const FIRST = { "a.ts": { one: "passed", two: "failed" }, "b.ts": { three: "passed" } } as const;

describe("the count of the tests in CI", () => {
  it.each([
    ["a test that failed", FIRST, undefined, ["2 passed, 1 failed"], 1],
    [
      "a test that passed when it was run again",
      FIRST,
      { "a.ts": { one: "passed", two: "passed" } },
      ["passed only when it was run again alone: a.ts: two", "3 passed, 0 failed"],
      0,
    ],
    [
      "a test that failed twice",
      FIRST,
      { "a.ts": { one: "passed", two: "failed" } },
      ["2 passed, 1 failed"],
      1,
    ],
    ["a file that could not be loaded", { ...FIRST, "a.ts": {} }, undefined, ["1 passed, 1 failed"], 1],
    [
      "no test at all",
      {},
      undefined,
      [expect.stringContaining("no test was executed"), "0 passed, 1 failed"],
      1,
    ],
  ] as const)("says what came of %s", (_, first, again, lines, code) => {
    const folder = writeFolder({});
    const paths = [report(folder, "jest.json", first)];
    if (again !== undefined) paths.push(report(folder, "jest-again.json", again));
    expect(results("count", ...paths)).toEqual({ lines, code });
  });

  it("names the files to run again, unless they are many", () => {
    const folder = writeFolder({});
    expect(results("failed", report(folder, "few.json", FIRST)).lines).toEqual(["a.ts"]);
    const many = Object.fromEntries([..."abcdef"].map((name) => [`${name}.ts`, { one: "failed" as const }]));
    expect(results("failed", report(folder, "many.json", many)).lines).toEqual([]);
  });
});

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { adviseInFleet, adviseOnAws, findingsOnAws } from "../../lambda/runtime/advice.ts";
import { Hint, MigrationError } from "../../lib/core/index.ts";

const LIB = join(import.meta.dirname, "..", "..", "lib");
/** The rooms whose hints reach readers who have no command line. */
const ROOMS = ["engine", "postgres", "folder"].map((room) => join(LIB, room));

/** Its messages answer flags, because only the command line writes files from recipes. */
const RECIPES = join("recipes", "");

/** Texts of those rooms that name a flag or a variable of the command line. */
function textsForTerminals(): string[] {
  const files = ROOMS.flatMap((room) =>
    readdirSync(room, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !path.startsWith(RECIPES))
      .map((path) => join(room, path)),
  );
  return files.flatMap((path) => {
    const code = readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
    const texts = [...code.matchAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g)].map(([text]) => text);
    return texts.filter((text) =>
      /[\s`"(]--[a-z]|\bDATABASE_(HOST|PORT|NAME|USER|PASSWORD|SSL|URL)/.test(text),
    );
  });
}

const renderedOnAws = (hint: Hint) =>
  String(adviseOnAws(new MigrationError("SQL", "x", { hint })).details.hint);

test("hints of the engine and of folders name no flag and no variable of the command line", () => {
  expect(textsForTerminals()).toEqual([]);
});

describe("a hint", () => {
  test.each([
    [Hint.of`it is ${Hint.option("order", "allow")}.`, "--order allow", 'the construct\'s `order: "allow"`'],
    [Hint.of`it is ${Hint.option("lockTimeoutMs")}.`, "--lock-timeout", "the construct's `lockTimeout`"],
    [
      Hint.of`it is ${Hint.option("maxLockMs")}.`,
      "--max-lock",
      "the construct's `maxLock`, or \"maxLock\" in an operator's payload",
    ],
    [
      Hint.of`it is ${Hint.option("preflight", "warn")}.`,
      "--preflight warn",
      'the construct\'s `preflight: "warn"`, or "preflight": "warn" in an operator\'s payload',
    ],
    [Hint.of`it is ${Hint.folder()}.`, "--migrations-dir", "the construct's `migrationsDir`"],
    [Hint.of`it is ${Hint.field("from", "history")}.`, "--from history", '"from": "history"'],
    [Hint.of`it is ${Hint.field("to")}.`, "--to", '"to"'],
    [Hint.of`it is ${Hint.field("outcome", "applied")}.`, "--applied", '"outcome": "applied"'],
    [Hint.of`it is ${Hint.command("resolve")}.`, "`resolve`", "`resolve`"],
    [
      Hint.of`it is ${Hint.command("plan", { down: true, from: "file" })}.`,
      "`plan --down --from file`",
      '`{"command": "plan", "down": true, "from": "file"}`',
    ],
    [
      Hint.of`it is ${Hint.command("resolve", { migration: "1_a", outcome: "retry" })}.`,
      "`resolve 1_a --retry`",
      '`{"command": "resolve", "migration": "1_a", "outcome": "retry"}`',
    ],
    [Hint.of`it is ${Hint.setting("ssl", "disable")}.`, "DATABASE_SSL=disable", "the TLS of the server"],
  ])("a hint says %s to a terminal, and the same to a caller of the function", (hint, typed, onAws) => {
    expect(String(hint)).toBe(`it is ${typed}.`);
    expect(JSON.stringify({ hint })).toBe(JSON.stringify({ hint: String(hint) }));
    expect(renderedOnAws(hint)).toBe(`it is ${onAws}.`);
  });

  test("a hint keeps its terms when more is added to it", () => {
    const error = new MigrationError("SQL", "x", { hint: Hint.of`Try ${Hint.option("lockWaitMs")}.` });
    const hint = adviseOnAws(error.advised("Or wait.")).details.hint;
    expect(hint).toBe("Try the construct's `lockWait`.\nOr wait.");
  });
});

describe("the advice in a function's answer", () => {
  test("the advice replaces what only somebody at a terminal can do, in errors and in findings", () => {
    const unmanaged = new MigrationError("UNMANAGED", "tables", { hint: "`baseline` says so (--to)." });
    const said = adviseOnAws(unmanaged).details.hint;
    expect(said).toMatch(/--no-rollback.*"command": "baseline".*"confirm"/);
    expect(findingsOnAws([{ code: "UNMANAGED", hint: "by --to" }])).toEqual([
      { code: "UNMANAGED", hint: said },
    ]);
  });

  test("the advice about a target of a fleet names commands as they are typed, and options as props", () => {
    const retry = Hint.command("resolve", { migration: "1_a", outcome: "retry" });
    const hint = Hint.of`Look, then ${retry} or ${Hint.option("order", "allow")}.`;
    const partial = adviseInFleet(new MigrationError("PARTIAL", "1_a stopped", { hint }), "secret");
    expect(partial.details.hint).toBe(
      'Look, then `resolve 1_a --retry` or the construct\'s `order: "allow"`.',
    );
    const unmanaged = adviseInFleet(new MigrationError("UNMANAGED", "tables", { hint }), "secret");
    expect(unmanaged.details.hint).toMatch(/`baseline --to .*--schema.*start the execution again/);
    const refused = new MigrationError("AUTH", "no", { hint });
    expect(adviseInFleet(refused, "iam").details.hint).toMatch(/rds_iam/);
    expect(adviseInFleet(refused, "secret").details.hint).toMatch(/secret's user and password/);
  });

  test("the advice for a timeout names the construct's timeout, whichever migration it was", () => {
    const late = new MigrationError("DEADLINE", "up", { migration: "1_a", hint: "Run again." });
    expect(adviseOnAws(late).details.hint).toMatch(/14 minutes.*`timeout`/);
  });

  test("the advice is the engine's own where the server answered and refused", () => {
    const full = new MigrationError("CONNECTION", "full", { sqlstate: "53300", hint: "Close some." });
    expect(adviseOnAws(full).details.hint).toBe("Close some.");
  });
});

import { describe, expect, it } from "@jest/globals";
import { outlookOf, toDeployFailure } from "../../lambda/deploy/failure.ts";
import { cut } from "../../lambda/runtime/custom-resource.ts";
import type { Invocation } from "../../lambda/runtime/invocation.ts";
import { createLog } from "../../lambda/runtime/invocation.ts";
import { createRedactor } from "../../lambda/runtime/redactor.ts";
import { type ErrorDetails, MigrationError } from "../../lib/core/index.ts";

function invocation(): Invocation {
  const redactor = createRedactor();
  redactor.hide("hunter2/ß\"'x");
  const origin = { functionName: "deploy", requestId: "request-1" };
  const log = createLog(origin, redactor);
  return {
    ...origin,
    logGroup: "group-1",
    deadline: 0,
    reserveMs: 0,
    redactor,
    log,
    counts: { lockRetries: 0, background: 0 },
    completed: [],
  };
}

const KEPT = "the rollback keeps them";

describe("a failure for CloudFormation", () => {
  it("the message shows the line that the server refused, or how the statement begins, and the function it was in", () => {
    const at = (details: ErrorDetails): string =>
      toDeployFailure(new MigrationError("SQL", "syntax error", details), invocation(), KEPT).message;
    const statement = "CREATE TABLE a ();\n  SELEC 2;\n";
    expect(at({ statement, position: 23 })).toContain("\nLine 2 of its SQL: SELEC 2;\n");
    const place = { file: "1_a.sql", line: 7, statementNumber: 2, statements: 3 };
    expect(at({ statement: "SELECT 1,\n nothing", position: 12, ...place })).toContain(
      "\n1_a.sql:7, statement 2 of 3: nothing\n",
    );
    expect(at({ statement })).toContain("\nStatement: CREATE TABLE a ();\n");
    expect(at({ context: "PL/pgSQL function f() line 3 at RAISE\nSQL" })).toContain(
      "\nContext: PL/pgSQL function f() line 3 at RAISE\n",
    );
  });

  it.each([
    ["Update", "keep", "the rollback keeps them"],
    ["Update", "down", "the rollback undoes them where it can"],
    ["Create", "keep", "they stay in the database"],
    ["Create", "down", "they stay in the database"],
  ] as const)(
    "the message of an %s under %s says of earlier migrations that %s",
    (type, onRollback, said) => {
      const error = new MigrationError("SQL", "no", { applied: ["1_a"] });
      const { message } = toDeployFailure(error, invocation(), outlookOf(type, onRollback));
      expect(message).toContain(`Applied before it: 1_a; ${said}.`);
      const nothing = new MigrationError("SQL", "no", { applied: [] });
      expect(toDeployFailure(nothing, invocation(), KEPT).message).toContain("Applied before it: nothing.");
    },
  );

  it("the message has code, migration, SQLSTATE, what stayed, what to do, and the log to read", () => {
    const error = new MigrationError("SQL", 'column "x" does not exist', {
      ...{ migration: "3_c", sqlstate: "42703", applied: ["1_a", "2_b"], hint: "Correct the column." },
    });
    expect(toDeployFailure(error, invocation(), KEPT).message).toBe(
      [
        'SQL in 3_c: column "x" does not exist (SQLSTATE 42703)',
        "Applied before it: 1_a, 2_b; the rollback keeps them.",
        "What to do: Correct the column.",
        "Log group group-1, request request-1.",
      ].join("\n"),
    );
  });

  it.each([
    ["a long message", "x".repeat(9_000)],
    ["characters of several bytes", "ß€😀".repeat(3_000)],
    ["characters that take six bytes in JSON", "\0".repeat(9_000)],
    ["quotes and backslashes", '"\\'.repeat(4_000)],
  ])("the message stays within the bound and keeps the useful ends of %s", (_what, text) => {
    const error = new MigrationError("SQL", `begin ${text} end`, {
      ...{ migration: "3_c", detail: text, hint: text, sqlstate: "42703" },
      applied: Array.from({ length: 900 }, (_, index) => `${index}_${"n".repeat(200)}`),
    });
    const { message, stack = "" } = toDeployFailure(error, invocation(), KEPT);
    expect(Buffer.byteLength(message + stack)).toBeLessThan(1_500);
    expect(Buffer.byteLength(JSON.stringify({ message, stack }))).toBeLessThan(2_200);
    expect(message).toMatch(/^SQL in 3_c: begin /);
    expect(message).toContain("(SQLSTATE 42703)");
    expect(message).toMatch(/Log group group-1, request request-1\.$/);
    expect(message).not.toContain("\ufffd");
  });

  it("the message of an internal error names the defect", () => {
    expect(toDeployFailure(new TypeError("no such thing"), invocation(), KEPT)).toMatchObject({
      name: "INTERNAL",
      message: expect.stringContaining("TypeError: no such thing"),
    });
  });

  it.each([
    ["as it is", "hunter2/ß\"'x"],
    ["in JSON", JSON.stringify("hunter2/ß\"'x")],
    ["in a URL", encodeURIComponent("hunter2/ß\"'x")],
    ["in SQL", "'hunter2/ß\"''x'"],
    ["in JSON in JSON", JSON.stringify(JSON.stringify("hunter2/ß\"'x"))],
    ["in a connection string", Object.assign(new URL("postgres://u@h"), { password: "hunter2/ß\"'x" }).href],
    ["in a URL in SQL", encodeURIComponent("hunter2/ß\"'x").replaceAll("'", "''")],
    ["in SQL in JSON", JSON.stringify("'hunter2/ß\"''x'")],
    ["in JSON in SQL", JSON.stringify("hunter2/ß\"'x").replaceAll("'", "''")],
    ["in a query", new URLSearchParams({ password: "hunter2/ß\"'x" }).toString()],
    ["where the message is cut", `${"a".repeat(320)}hunter2/ß"'x${"b".repeat(900)}`],
  ])("the message never has the password %s", (_how, text) => {
    for (const error of [new Error(text), new MigrationError("SQL", text, { detail: text, hint: text })]) {
      const { message } = toDeployFailure(error, invocation(), KEPT);
      expect(message).not.toMatch(/hunter|nter2/);
    }
    expect(toDeployFailure(new Error(`it is ${text.slice(-900)}`), invocation(), KEPT).message).toMatch(
      /\*{4}|b{9}/,
    );
  });
});

describe("a redactor", () => {
  const secret = "p'w\"d\\x/\u00df (1)";
  const { hide, redact, redactAll } = createRedactor();
  hide(secret);
  const percent = encodeURIComponent(secret);
  const base64 = (text: string) => Buffer.from(text).toString("base64");

  it.each([
    ["a literal with escapes", `E'${secret.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`],
    ["a literal with an escaped quote", `E'${secret.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`],
    [
      "a JSON string of such a literal",
      JSON.stringify(`E'${secret.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`),
    ],
    ["an identifier", `"${secret.replaceAll('"', '""')}"`],
    ["JavaScript", `'${secret.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`],
    ["percent codes in small letters", percent.toLowerCase().replaceAll("%", "%")],
    ["percent codes of everything", percent.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)],
    ["percent codes of percent codes", encodeURIComponent(percent)],
    ["JSON in ASCII", JSON.stringify(secret).replace("\u00df", "\\u00df")],
    ["base64", base64(secret)],
    ["base64 behind a user and a colon", base64(`user:${secret}`)],
    ["base64 behind another user", base64(`users:${secret}@`)],
    ["base64 for URLs", Buffer.from(secret).toString("base64url")],
    ["hexadecimal", `\\x${Buffer.from(secret).toString("hex")}`],
  ])("a redactor removes a password as %s", (_how, text) => {
    const rest = redact(`before ${text} after`);
    expect(rest).toMatch(/^before .*\*{8}.* after$/);
    expect(rest).not.toContain(text.slice(3, -3));
    expect(JSON.stringify(redactAll({ deep: [text] }))).toContain("********");
  });

  it("a redactor leaves other texts unchanged", () => {
    expect(redact("SELECT 'x', p, w FROM d")).toBe("SELECT 'x', p, w FROM d");
  });
});

describe("cutting text", () => {
  it.each([
    ["short enough", "abc", 3, "abc"],
    ["both ends stay", "a".repeat(50) + "b".repeat(50), 20, `${"a".repeat(10)} … ${"b".repeat(5)}`],
  ])("%s", (_what, text, bytes, expected) => {
    expect(cut(text, bytes)).toBe(expected);
  });
});

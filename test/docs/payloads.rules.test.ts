import { describe, expect, test } from "@jest/globals";
import { parseOperateRequest, parseStatusRequest } from "../../lambda/operate/answer.ts";
import { COMMAND_NAMES, COMMANDS, type Field } from "../../lib/commands/index.ts";
import { ERROR_CODES } from "../../lib/core/index.ts";
import {
  allPages,
  blocks,
  codeSpans,
  type Page,
  readPage,
  section,
  sourceOf,
  tableRows,
} from "./markdown.ts";

// Its payloads are the inputs of a fleet's executions: test/docs/fleets.rules.test.ts.
const pages = allPages().filter(({ path }) => path !== "docs/fleets.md");
const runbook = readPage("docs/runbook.md");
const source = sourceOf("lambda") + sourceOf("lib/engine") + sourceOf("lib/postgres");

interface Shown {
  /** Status or Operate, where the command names the function. */
  readonly given: string | undefined;
  readonly payload: string;
}

/** Payloads in commands, and those that stand alone in backticks. */
function payloadsOf({ text }: Page): Shown[] {
  const commands = [...blocks(text).map((block) => block.text), ...codeSpans(text)].flatMap((shown) =>
    shown.split("\n").flatMap((line) =>
      [...line.matchAll(/'(\{"command".*?\})'/g)].map(([, payload = ""]) => ({
        given: /\b(Status|Operate)Function\b/.exec(line)?.[1],
        payload,
      })),
    ),
  );
  const alone = codeSpans(text).filter((span) => span.startsWith('{"command"'));
  return [...commands, ...alone.map((payload) => ({ given: undefined, payload }))];
}

/** The function whose parser takes a payload: only what may change something has to be confirmed. */
function takenBy(payload: unknown): "Status" | "Operate" {
  const confirm: unknown = typeof payload === "object" && payload !== null && Reflect.get(payload, "confirm");
  if (typeof confirm !== "string") {
    parseStatusRequest(payload);
    return "Status";
  }
  parseOperateRequest(payload, { database: confirm, allowDown: true });
  return "Operate";
}

const withPayloads = pages.filter((page) => payloadsOf(page).length > 0);

test("payloads are in the README, the runbook and the page on deploys", () => {
  expect(withPayloads.map(({ path }) => path)).toEqual(
    expect.arrayContaining(["README.md", "docs/deploying.md", "docs/runbook.md"]),
  );
});

test.each(withPayloads.map((page) => [page.path, page] as const))(
  "every payload in %s is accepted, by the function it is given to",
  (_path, page) => {
    for (const { given, payload } of payloadsOf(page)) {
      const taker = takenBy(JSON.parse(payload));
      expect([payload, given ?? taker]).toEqual([payload, taker]);
    }
  },
);

const reading = COMMAND_NAMES.filter((name) => COMMANDS[name].access === "read");
const writing = COMMAND_NAMES.filter((name) => !reading.includes(name) || COMMANDS[name].writesWith);

test.each([
  ["Ask", reading],
  ["Act", writing],
])("the runbook's table under %s has a payload of every command", (heading, commands) => {
  const shown = tableRows(section(runbook.text, heading))
    .map(([cell = ""]) => cell.replaceAll("`", ""))
    .filter((cell) => cell.startsWith("{"));
  const shownCommands = shown.map((payload): unknown => Reflect.get(JSON.parse(payload), "command"));
  expect([...new Set(shownCommands)].toSorted()).toEqual([...commands].toSorted());
});

test("the runbook's table of fields has every field of every command, in the words of the code", () => {
  const rows = COMMAND_NAMES.flatMap((command) =>
    Object.entries<Field>(COMMANDS[command].fields).map(([field, { expects, meaning }]) => [
      `\`${command}\``,
      `\`${field}\``,
      expects
        .replace(/^\((.*)\)$/, "$1")
        .replaceAll(" | ", ", ")
        .toLowerCase(),
      meaning,
    ]),
  );
  expect(tableRows(section(runbook.text, "Fields"))).toEqual(rows);
});

test.each([["docs/deploying.md"], ["docs/runbook.md"]])("json in %s can be parsed", (path) => {
  const found = blocks(readPage(path).text).filter(({ language }) => language === "json");
  for (const { text } of found) expect(() => JSON.parse(text)).not.toThrow();
});

describe("what the runbook shows of the functions' answers", () => {
  const shown = blocks(runbook.text)
    .filter(({ language }) => language === "text")
    .flatMap(({ text }) => text.split("\n"));
  const heads = shown.flatMap((line) => /^([A-Z][A-Z_]+)(?: in [^\s:]+)?: /.exec(line)?.[1] ?? []);
  const advice = shown.flatMap((line) => /^What to do: (.{20})/.exec(line)?.[1] ?? []);

  test("the answers shown in the runbook begin with error codes that exist", () => {
    expect(heads.length).toBeGreaterThan(6);
    expect(heads.filter((head) => !ERROR_CODES.some((code) => code === head))).toEqual([]);
  });

  test("the hints shown in the runbook are those of the code", () => {
    expect(advice.length).toBeGreaterThan(4);
    expect(advice.filter((start) => !source.includes(start))).toEqual([]);
  });

  test.each([
    "Applied before it: ",
    "Partly applied: ",
    " of its statements are done and stay.",
    "the server refused the password; asking for the secret again",
    "another run holds the migration lock; waiting for it",
    "a statement waits for other sessions",
    "the database was left as it is",
    "is not allowed on this database",
    "the database is ahead of these files: ",
    "the time for this run is up",
    "changed after it was applied: ",
    "stopped part-way, outside a transaction: ",
    "no answer in time",
    "in this release",
  ])("the runbook shows a message of the code: %s", (message) => {
    expect(runbook.text).toContain(message);
    expect(source).toContain(message);
  });
});

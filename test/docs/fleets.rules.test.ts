import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import ts from "typescript";
import { parseFleetRequest, parsePrepare } from "../../lambda/fleet/request.ts";
import { parseTargetsFile } from "../../lib/fleet/index.ts";
import { blocks, firstBlock, REPOSITORY, readPage, section, tableRows } from "./markdown.ts";

const page = readPage("docs/fleets.md");
const CREATE_TENANT = join(REPOSITORY, "examples/fleet/create-tenant.js");

test("the cost in docs/fleets.md is what its command prints", () => {
  const sizing = section(page.text, "Sizing");
  const [, script = ""] = /^node (\S+)$/m.exec(firstBlock(sizing, "sh")) ?? [];
  expect(firstBlock(sizing, "text")).toBe(
    execFileSync(process.execPath, [script], { cwd: REPOSITORY, encoding: "utf8" }),
  );
});

test("createTenant in docs/fleets.md is that of the example", () => {
  expect(firstBlock(page.text, "js")).toBe(readFileSync(CREATE_TENANT, "utf8"));
});

test("createTenant of the example type-checks with the packages that it uses", () => {
  const program = ts.createProgram([CREATE_TENANT], {
    allowJs: true,
    checkJs: true,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: ["node"],
  });
  const messages = ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  expect(messages).toEqual([]);
});

test("the targets in docs/fleets.md can be read", () => {
  const database = { host: "db.example.com", port: 5432, database: "shop" };
  const [text = ""] = blocks(section(page.text, "On a laptop")).flatMap(({ language, text }) =>
    language === "json" ? [text] : [],
  );
  const targets = parseTargetsFile(text, { source: "targets.json", database });
  expect(targets.map(({ name }) => name)).toEqual(["acme", "globex", "initech"]);
});

const FLEET = {
  name: "tenants",
  ...{ canary: 1, pauseSeconds: 0, approval: false, maxConcurrency: 20, maxConcurrencyPerServer: 10 },
  ...{ toleratedFailures: 0, allowDown: true },
};

const inputs = blocks(page.text)
  .filter(({ language }) => language === "sh")
  .flatMap(({ text }) => [...text.matchAll(/<(\w+) machine> --input '(.*)'$/gm)])
  .map(([, machine = "", input = ""]) => [machine, input] as const);

test("docs/fleets.md shows an input of both state machines", () => {
  expect(new Set(inputs.map(([machine]) => machine))).toEqual(new Set(["status", "operate"]));
});

test.each(inputs)("the %s machine takes the input %s of docs/fleets.md", (machine, input) => {
  const payload = {
    machine,
    execution: "docs",
    request: JSON.parse(input),
    fleet: FLEET,
    source: { kind: "query" },
  };
  expect(parseFleetRequest(parsePrepare(payload)).request.command).toBe(JSON.parse(input).command);
});

test("an execution takes every field that docs/fleets.md names", () => {
  const values = {
    ...{ command: "down", confirm: "tenants", to: "1_name", targets: ["acme"] },
    ...{ canary: 1, toleratedFailures: 1 },
  };
  const documented = tableRows(section(page.text, "On AWS")).map(([cell = ""]) => cell.replaceAll("`", ""));
  expect(documented).toEqual(Object.keys(values));
  const payload = {
    ...{ machine: "operate", execution: "docs", request: values },
    ...{ fleet: FLEET, source: { kind: "query" } },
  };
  expect(parseFleetRequest(parsePrepare(payload))).toMatchObject({ targets: ["acme"], toleratedFailures: 1 });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser";
import { parseAction } from "@actions/workflow-parser/actions/action-parser";
import { describe, expect, test } from "@jest/globals";
import * as v from "valibot";
import { parse } from "yaml";
import { ACTION_TEXT, action } from "../cli/workflow.ts";
import { blocks, REPOSITORY, readPage, section, tableRows } from "./markdown.ts";

const page = readPage("docs/github.md").text;
const workflows = blocks(page)
  .filter(({ language }) => language === "yaml")
  .map(({ text }) => text);

const WORKFLOW = v.object({
  permissions: v.record(v.string(), v.string()),
  jobs: v.record(
    v.string(),
    v.object({
      steps: v.array(
        v.object({
          uses: v.optional(v.string()),
          with: v.optional(v.record(v.string(), v.unknown())),
          run: v.optional(v.string()),
        }),
      ),
    }),
  ),
});

function stepsOf(text: string) {
  return Object.values(v.parse(WORKFLOW, parse(text)).jobs).flatMap(({ steps }) => steps);
}

const trace = new NoOperationTraceWriter();

test("action.yml is an action for the parser of GitHub", () => {
  const { context } = parseAction({ name: "action.yml", content: ACTION_TEXT }, trace);
  expect(context.errors.getErrors().map(({ message }) => message)).toEqual([]);
  const broken = ACTION_TEXT.replace("using: composite", "using: nothing");
  expect(parseAction({ name: "action.yml", content: broken }, trace).context.errors.count).toBeGreaterThan(0);
});

test("the scripts of the action hold no expression, and it uses no action of others", () => {
  expect(action.runs.steps.filter(({ run }) => run.includes("${{")).map(({ name }) => name)).toEqual([]);
  expect(ACTION_TEXT).not.toMatch(/^\s*-? *uses:/m);
});

test("only the step that writes the comment gets the token", () => {
  const withToken = action.runs.steps.filter(({ env }) =>
    Object.values(env).some((value) => /token/.test(value)),
  );
  expect(withToken.map(({ name }) => name)).toEqual(["Keep the comment up to date"]);
});

test("docs/github.md has every input and output of the action, with its default", () => {
  const [inputs = [], outputs = []] = section(page, "Inputs and outputs")
    .split("| output")
    .map((text, index) => tableRows(index === 0 ? text : `| output${text}`));
  const plain = (text = "") => text.replaceAll("`", "");
  const documented = Object.fromEntries(inputs.map(([name, value]) => [plain(name), plain(value)]));
  expect(Object.keys(documented)).toEqual(expect.arrayContaining(Object.keys(action.inputs)));
  expect(Object.keys(documented)).toHaveLength(Object.keys(action.inputs).length);
  const words = new Set(["base", "key", "token"]);
  for (const [name, input] of Object.entries(action.inputs))
    if (!words.has(name)) expect([name, documented[name]]).toEqual([name, input.default]);
  const names = outputs.flatMap(([name]) => plain(name).split(", "));
  expect(names.toSorted()).toEqual(Object.keys(action.outputs).toSorted());
});

describe.each(workflows.map((text, index) => [index + 1, text] as const))("workflow %i", (_number, text) => {
  test("the workflow of docs/github.md is one for the parser of GitHub", () => {
    const { context } = parseWorkflow({ name: "workflow.yml", content: text }, trace);
    expect(context.errors.getErrors().map(({ message }) => message)).toEqual([]);
  });

  test("the workflow of docs/github.md gives the action inputs that it has, and pins others by commit", () => {
    for (const { uses = "", with: inputs = {} } of stepsOf(text)) {
      if (uses === "./node_modules/cdk-pg-migrate") {
        expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(Object.keys(inputs)));
      } else if (uses !== "") expect(uses).toMatch(/^actions\/[a-z-]+@[0-9a-f]{40}$/);
    }
  });

  test("the workflow of docs/github.md runs no code of a fork with a right to write", () => {
    expect(text).not.toContain("pull_request_target");
    expect(stepsOf(text).filter(({ run = "" }) => run.includes("${{"))).toEqual([]);
    if (text.includes("workflow_run:")) expect(text).not.toMatch(/ref:|head_sha/);
  });
});

test("the workflow of this repository is one for the parser of GitHub", () => {
  const content = readFileSync(join(REPOSITORY, ".github/workflows/ci.yml"), "utf8");
  const { context } = parseWorkflow({ name: "ci.yml", content }, trace);
  expect(context.errors.getErrors().map(({ message }) => message)).toEqual([]);
});

test("the package contains the action", () => {
  const manifest: { files: string[] } = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8"));
  expect(manifest.files).toContain("action.yml");
});

test("docs/github.md has workflows", () => {
  expect(workflows.length).toBeGreaterThan(4);
});

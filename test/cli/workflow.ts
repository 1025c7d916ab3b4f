import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { data, Evaluator, Lexer, Parser } from "@actions/expressions";
import * as v from "valibot";
import { parse } from "yaml";
import { writeFolder } from "../support/folders.ts";
import { startProgram } from "./command.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

const STEP = v.strictObject({
  id: v.optional(v.string()),
  name: v.string(),
  if: v.optional(v.string()),
  shell: v.literal("bash"),
  env: v.record(v.string(), v.string()),
  run: v.string(),
});

const ACTION = v.object({
  inputs: v.record(v.string(), v.object({ description: v.string(), default: v.string() })),
  outputs: v.record(v.string(), v.object({ description: v.string(), value: v.string() })),
  runs: v.object({ using: v.literal("composite"), steps: v.array(STEP) }),
});

export const ACTION_TEXT = readFileSync(join(REPOSITORY, "action.yml"), "utf8");
export const action = v.parse(ACTION, parse(ACTION_TEXT));

type Step = v.InferOutput<typeof STEP>;

/** What an action is run with. */
export interface ActionRun {
  /** The checkout. */
  readonly workspace: string;
  readonly inputs?: Readonly<Record<string, string>>;
  readonly event: unknown;
  readonly eventName?: string;
  /** The variables of the job. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ActionResult {
  /** Exit code of each step that was run, by its name. */
  readonly steps: Readonly<Record<string, number | null>>;
  readonly failed: boolean;
  readonly outputs: Readonly<Record<string, string>>;
  readonly log: string;
  readonly summary: string;
}

interface Contexts {
  readonly inputs: Readonly<Record<string, string>>;
  readonly steps: Record<string, { outputs: Record<string, string>; outcome: string }>;
  readonly github: { readonly token: string; readonly event: unknown; readonly event_name: string };
}

/** Runs the steps of action.yml one after the other, as the runner of GitHub does. */
export async function runAction(run: ActionRun): Promise<ActionResult> {
  const { event, eventName = "pull_request" } = run;
  const github = { token: "the-token-of-the-job", event, event_name: eventName };
  const given = { inputs: {}, steps: {}, github };
  const defaults = Object.entries(action.inputs).map(([name, input]) => [
    name,
    fill(input.default, given, false),
  ]);
  const unknown = Object.keys(run.inputs ?? {}).filter((name) => !(name in action.inputs));
  if (unknown.length > 0) throw new Error(`no inputs: ${unknown.join(", ")}`);
  const contexts: Contexts = { ...given, inputs: { ...Object.fromEntries(defaults), ...run.inputs } };
  const temporary = writeFolder({ "event.json": JSON.stringify(event) });
  const codes: Record<string, number | null> = {};
  const result = { steps: codes, failed: false, log: "", summary: "" };
  for (const [index, step] of action.runs.steps.entries()) {
    const { failed } = result;
    if (evaluate(step.if ?? "success()", contexts, failed) !== "true") continue;
    const files = fileNames(temporary, index);
    for (const path of Object.values(files)) writeFileSync(path, "");
    const { code, output } = await runStep(run, { step, contexts, failed, temporary, files });
    result.steps[step.name] = code;
    result.log += output;
    result.summary += readFileSync(files.GITHUB_STEP_SUMMARY, "utf8");
    result.failed ||= code !== 0;
    const outputs = outputsIn(readFileSync(files.GITHUB_OUTPUT, "utf8"));
    if (step.id !== undefined)
      contexts.steps[step.id] = { outputs, outcome: code === 0 ? "success" : "failure" };
  }
  const outputs = Object.entries(action.outputs).map(([name, { value }]) => [
    name,
    fill(value, contexts, false),
  ]);
  return { ...result, outputs: Object.fromEntries(outputs) };
}

interface StepRun {
  readonly step: Step;
  readonly contexts: Contexts;
  readonly failed: boolean;
  readonly temporary: string;
  readonly files: ReturnType<typeof fileNames>;
}

function fileNames(temporary: string, index: number) {
  const path = (name: string) => join(temporary, `${name}-${index}`);
  return { GITHUB_STEP_SUMMARY: path("summary"), GITHUB_OUTPUT: path("output") };
}

async function runStep(
  run: ActionRun,
  { step, contexts, failed, temporary, files }: StepRun,
): Promise<{ readonly code: number | null; readonly output: string }> {
  if (step.run.includes("${{")) throw new Error(`an expression in the script of ${step.name}`);
  const script = join(temporary, "step.sh");
  writeFileSync(script, step.run);
  const own = Object.entries(step.env).map(([name, value]) => [name, fill(value, contexts, failed)]);
  const child = startProgram(run.workspace, "bash", ["--noprofile", "--norc", "-eo", "pipefail", script], {
    CI: "true",
    GITHUB_ACTIONS: "true",
    GITHUB_EVENT_NAME: contexts.github.event_name,
    GITHUB_EVENT_PATH: join(temporary, "event.json"),
    GITHUB_REPOSITORY: "o/r",
    GITHUB_RUN_ID: "42",
    GITHUB_SERVER_URL: "https://github.example",
    GITHUB_WORKSPACE: run.workspace,
    RUNNER_TEMP: temporary,
    HOME: temporary,
    // npx asks no registry.
    npm_config_offline: "true",
    npm_config_update_notifier: "false",
    ...run.env,
    ...files,
    ...Object.fromEntries(own),
  });
  const { code } = await child.ended;
  return { code, output: child.output() };
}

function outputsIn(text: string): Record<string, string> {
  const lines = text.split("\n").filter((line) => line !== "");
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** A text with its expressions filled in. */
function fill(text: string, contexts: Contexts, failed: boolean): string {
  return text.replace(/\$\{\{(.*?)\}\}/g, (_match, expression: string) =>
    evaluate(expression, contexts, failed),
  );
}

/** Evaluates an expression with GitHub's own evaluator. */
function evaluate(expression: string, contexts: Contexts, failed: boolean): string {
  const answers = { success: !failed, failure: failed, always: true };
  const functions = Object.entries(answers).map(([name, answer]) => {
    const call = () => new data.BooleanData(answer);
    return [name, { name, minArgs: 0, maxArgs: 0, call }] as const;
  });
  const known = functions.map(([, one]) => one);
  const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(contexts), known).parse();
  const context: unknown = JSON.parse(JSON.stringify(contexts), data.reviver);
  if (!(context instanceof data.Dictionary)) throw new Error("no contexts");
  return new Evaluator(tree, context, new Map(functions)).evaluate().coerceString();
}

/** Installs the package in a project, as far as npx needs it. */
export function linkPackage(project: string): void {
  mkdirSync(join(project, "node_modules/.bin"), { recursive: true });
  symlinkSync(join(REPOSITORY, "bin/cdk-pg-migrate.mjs"), join(project, "node_modules/.bin/cdk-pg-migrate"));
}

import { appendFile } from "node:fs/promises";
import type { ReviewProblem } from "../../review/report/index.ts";
import { fileSystemError } from "../output/file-system.ts";
import type { ProcessIo } from "../process-io.ts";
import { shorten } from "./shorten.ts";

/** What the files of findings are relative to: the root of the repository in a workflow of GitHub. */
export function rootOfPlaces({ cwd, env }: ProcessIo): string {
  return env["GITHUB_WORKSPACE"] || cwd;
}

/** Workflow commands: GitHub shows each problem next to its line. */
export function annotationsOf(problems: readonly ReviewProblem[]): string {
  return problems.map((problem) => `${annotation(problem)}\n`).join("");
}

function annotation(problem: ReviewProblem): string {
  const { severity, file, line, column, rule, migration, message, help, statement } = problem;
  const properties = [
    ["file", file],
    ["line", line],
    ["col", column],
    ["title", migration === undefined ? rule : `${rule} (${migration})`],
  ] as const;
  const present = properties.flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${escapeProperty(String(value))}`],
  );
  // Without a line, GitHub shows no SQL next to the annotation.
  const sql = line === undefined && statement !== undefined ? [statement] : [];
  const advice = help === undefined ? [] : [help];
  return `::${severity} ${present.join(",")}::${escapeData([message, ...sql, ...advice].join("\n"))}`;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

/** A step may write so many bytes; of more, GitHub shows nothing. */
const SUMMARY_BYTES = 1024 * 1024 - 1;

/** Adds a page to the summary of the job, where there is one. */
export async function addSummary(io: ProcessIo, page: string): Promise<void> {
  const note = "left out: the summary of a step has at most 1 MiB.";
  const shortened = shorten(page, { limit: SUMMARY_BYTES, sizeOf: Buffer.byteLength, note });
  await append(io.env["GITHUB_STEP_SUMMARY"], `${shortened}\n`);
}

/** Sets outputs of the step, where there is one. */
export async function setOutputs(
  io: ProcessIo,
  outputs: Readonly<Record<string, string | number | boolean | readonly string[]>>,
): Promise<void> {
  const lines = Object.entries(outputs).map(([name, value]) => {
    // As JSON, a list cannot have a line break that would begin another output.
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    if (/[\r\n]/.test(text)) throw new Error(`the output ${name} has a line break`);
    return `${name}=${text}\n`;
  });
  await append(io.env["GITHUB_OUTPUT"], lines.join(""));
}

async function append(path: string | undefined, text: string): Promise<void> {
  if (path === undefined || path === "") return;
  await appendFile(path, text).catch((error: unknown) => {
    throw fileSystemError(error) ?? error;
  });
}

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import * as v from "valibot";
import { errorCode, MigrationError } from "../../core/index.ts";
import { defineCommand, text, toggle } from "../command.ts";
import { JSON_FLAG } from "../flags.ts";
import { ApiFailure } from "../github/api.ts";
import { type CommentResult, keepComment } from "../github/comment.ts";
import { annotationsOf } from "../github/workflow.ts";
import { fileSystemError } from "../output/file-system.ts";
import { createPrinter, printJson, visible } from "../output/printer.ts";
import { EXIT, type ProcessIo } from "../process-io.ts";

export const comment = defineCommand({
  name: "comment",
  summary: "in a workflow of GitHub: keep one comment on the pull request up to date with the page of review",
  input: {},
  flags: {
    page: { ...v.string(), written: "<page>", meaning: "file with the page, in Markdown" },
    key: text("--key <text>", "tells the comments of several folders apart (default: migrations)"),
    updateOnly: toggle("--update-only", "change the comment if there is one, and make none"),
    ...JSON_FLAG,
  },
  // A token that may not write is no failure: that of a fork never may.
  run: async (io, flags) => {
    const { key = "migrations", updateOnly = false } = flags;
    const page = await readPage(resolve(io.cwd, flags.page));
    const result = await keepComment(io, { page, key, updateOnly }).catch((error: unknown) => {
      throw error instanceof ApiFailure ? unwritten(error) : error;
    });
    if (flags.json) printJson(io, "comment", result);
    else printResult(io, result);
    return EXIT.done;
  },
});

async function readPage(path: string): Promise<string> {
  const page = await readFile(path, "utf8").catch((error: unknown) => {
    if (errorCode(error) === "ENOENT")
      throw new MigrationError("FILE_SYSTEM", `cannot read ${path}: there is no such file`, {
        hint: "`review --output` writes the page.",
        cause: error,
      });
    throw fileSystemError(error) ?? error;
  });
  if (page.trim() !== "") return page;
  throw new MigrationError("USAGE", `the page ${path} is empty`, {
    hint: "review --output writes it.",
  });
}

function unwritten(cause: ApiFailure): MigrationError {
  return new MigrationError("GITHUB", `the comment could not be written: ${cause.message}`, {
    hint: "The page itself is in the summary of the job. Run the job again when GitHub answers.",
    cause,
  });
}

function printResult(io: ProcessIo, result: CommentResult): void {
  const printer = createPrinter(io, io.stdout);
  if (result.done === "nothing") printer.line(`No comment: ${result.reason}.`);
  else if (result.done === "denied") io.stdout.write(annotationsOf([denied(result.reason)]));
  else printer.line(`The comment on pull request ${result.pullRequest} was ${result.done}.`);
}

function denied(reason: string) {
  return {
    severity: "warning",
    rule: "No comment",
    message: `The token may not write comments (${visible(reason)}); the summary of the job has the page.`,
    help: "A pull request of a fork or of Dependabot has no such token: see docs/github.md#forks. For others, the job needs permissions: pull-requests: write.",
  } as const;
}

import { relative, resolve } from "node:path";
import { readVariables } from "../../client/index.ts";
import { MigrationError } from "../../core/index.ts";
import { openFolder } from "../../folder/index.ts";
import {
  type DatabaseStatus,
  isReport,
  type Part,
  problemsOf,
  type Review,
  type ReviewProblem,
  type ReviewResults,
  renderReview,
} from "../../review/report/index.ts";
import type { ScratchProvider } from "../../review/verify/index.ts";
import { choice, defineCommand, text, toggle, type Values } from "../command.ts";
import { chooseNamedScratch, withContext } from "../context.ts";
import { DATABASE_FLAGS, listingOptions } from "../flags.ts";
import { addSummary, annotationsOf, rootOfPlaces, setOutputs } from "../github/workflow.ts";
import { replaceOwn } from "../output/file-system.ts";
import { adviceFor, amount, createPrinter, printJson, visible, visibleAll } from "../output/printer.ts";
import { EXIT, type ProcessIo } from "../process-io.ts";
import { type BaseCommit, defaultBase, isUnchanged, withBase } from "../reporting/base-commit.ts";
import { reportOnFolder } from "../reporting/migration-report.ts";
import { verifyFolder, withHint } from "./verify.ts";

const REVIEW_FLAGS = {
  base: text(
    "--base <commit>",
    "compare with this commit (default: that of the pull request, or origin/HEAD)",
  ),
  failOn: choice("--fail-on <severity>", "exit with 1 for this and what is graver (default: error)", [
    "error",
    "warning",
    "never",
  ]),
  skipVerify: toggle("--skip-verify", "leave out verify"),
  status: toggle("--status", "look at the database of the settings too"),
  output: text("--output <file>", "write the page for the pull request there, in Markdown"),
  format: choice(
    "--format <format>",
    "for people, or also as annotations, job summary and outputs of GitHub (default: text)",
    ["text", "github"],
  ),
  ...DATABASE_FLAGS,
};

type ReviewFlags = Values<typeof REVIEW_FLAGS>;

export const review = defineCommand({
  name: "review",
  summary:
    "check what a branch adds, as a pull request does: report, lint, verify; with --status a database too",
  input: {},
  flags: REVIEW_FLAGS,
  // Exits with 1 for problems as grave as --fail-on says.
  run: async (io, flags) => {
    const made = visibleAll(await makeReview(io, flags));
    const problems = await withFiles(io, flags, problemsOf(made));
    const failOn = flags.failOn ?? "error";
    const counted = problems.filter(({ severity }) => severity === "error" || failOn === "warning");
    const ok = failOn === "never" || counted.length === 0;
    const page = renderReview(made);
    if (flags.output !== undefined) {
      const hint = "Choose another file with --output, or delete this one first.";
      await replaceOwn(resolve(io.cwd, flags.output), page, { command: "review", isOwn: isReport, hint });
    }
    if (flags.format === "github") {
      await addSummary(io, page);
      await setOutputs(io, outputsOf(made, { ok, problems, report: flags.output }));
    }
    if (flags.json) printJson(io, "review", { ok, ...made, problems });
    else printReview(io, made, { problems, github: flags.format === "github" });
    return ok ? EXIT.done : EXIT.failed;
  },
});

async function makeReview(io: ProcessIo, flags: ReviewFlags): Promise<Review> {
  const name = flags.base ?? (await defaultBase(io));
  const folder = resolve(io.cwd, flags.migrationsDir);
  return withBase(io, { name, folder }, async (base) => {
    // What cannot be compared has problems, which the parts of the review tell.
    const unchanged = await isUnchanged(base, folder, listingOptions(flags)).catch(() => false);
    const results = unchanged ? undefined : await makeResults(io, flags, base);
    return { folder: pathOf(io, folder), base: base.commit.slice(0, 10), results };
  });
}

async function makeResults(io: ProcessIo, flags: ReviewFlags, base: BaseCommit): Promise<ReviewResults> {
  const local = { ...flags, local: !hasShadow(io, flags) };
  const status = flags.status ? await attempt(io, () => readStatus(io, flags)) : undefined;
  const chosen = await attempt(io, () => chooseNamedScratch(io, local, io.stderr));
  const onScratch = async <T>(work: (scratch: ScratchProvider) => Promise<T>): Promise<Part<T>> => {
    if (chosen.failure !== undefined) return { failure: chosen.failure };
    return attempt(io, () => work(chosen.result));
  };
  const verified = async (scratch: ScratchProvider) =>
    withHint(await verifyFolder(io, local, { scratch, output: io.stderr }));
  return {
    status,
    report: await onScratch((scratch) => reportOnFolder(io, local, { scratch, base })),
    verify: flags.skipVerify ? undefined : await onScratch(verified),
  };
}

/** What a branch contains runs on the embedded Postgres or the shadow database, never on the server of the settings. */
function hasShadow(io: ProcessIo, { envFile }: ReviewFlags): boolean {
  const { environment, dotEnv } = readVariables(io.env, io.cwd, envFile);
  return (environment["SHADOW_DATABASE_URL"] ?? dotEnv["SHADOW_DATABASE_URL"]) !== undefined;
}

function readStatus(io: ProcessIo, flags: ReviewFlags): Promise<DatabaseStatus> {
  return withContext(
    io,
    flags,
    async ({ migrator, target }) => ({
      database: target.connection.database,
      ...(await migrator.status()),
    }),
    io.stderr,
  );
}

/** A part that fails leaves the others as they are, but nothing makes up for Ctrl-C or a wrong setting. */
async function attempt<T>(io: ProcessIo, work: () => Promise<T>): Promise<Part<T>> {
  try {
    return { result: await work() };
  } catch (error) {
    if (!(error instanceof MigrationError) || ["CANCELLED", "USAGE"].includes(error.code)) throw error;
    const { code, message, details } = error;
    const reason = details.hint === undefined ? message : `${message}. ${adviceFor(details.hint)}`;
    createPrinter(io, io.stderr).line(visible(`${code} ${reason}`));
    return { failure: { code, reason } };
  }
}

/** Problems of a migration as a whole are shown at its file. */
async function withFiles(
  io: ProcessIo,
  flags: ReviewFlags,
  problems: readonly ReviewProblem[],
): Promise<ReviewProblem[]> {
  const dir = resolve(io.cwd, flags.migrationsDir);
  const folder = await openFolder(dir, listingOptions(flags)).catch(() => undefined);
  return problems.map((problem) => {
    const entry = folder?.entries.find(({ name }) => visible(name) === problem.migration);
    const [file] = entry?.files ?? [];
    if (problem.file !== undefined || file === undefined) return problem;
    return { ...problem, file: pathOf(io, resolve(dir, file)) };
  });
}

/** As a reader of the repository knows it. */
function pathOf(io: ProcessIo, path: string): string {
  return relative(rootOfPlaces(io), path).replaceAll("\\", "/") || ".";
}

interface Outcome {
  readonly ok: boolean;
  readonly problems: readonly ReviewProblem[];
  readonly report: string | undefined;
}

function outputsOf({ results }: Review, { ok, problems, report }: Outcome) {
  const errors = problems.filter(({ severity }) => severity === "error").length;
  return {
    ok,
    errors,
    warnings: problems.length - errors,
    changed: results !== undefined,
    pending: results?.report.result?.pending.map(({ name }) => name) ?? [],
    report: report ?? "",
  };
}

interface PrintedReview {
  readonly problems: readonly ReviewProblem[];
  readonly github: boolean;
}

function printReview(io: ProcessIo, { base, results }: Review, { problems, github }: PrintedReview): void {
  const printer = createPrinter(io, io.stdout);
  if (results === undefined) {
    printer.line(`Nothing in the folder differs from commit ${base}.`);
    return;
  }
  for (const { severity, rule, migration, file, line, message, help } of problems) {
    const mark = severity === "error" ? printer.colors.red(severity) : printer.colors.yellow(severity);
    const place = file === undefined ? (migration ?? "") : line === undefined ? file : `${file}:${line}`;
    printer.line(`${mark} ${printer.colors.bold(rule)} ${printer.colors.dim(place)}`.trimEnd());
    printer.line(`  ${message}`);
    if (help !== undefined) printer.line(`  ${printer.colors.green(">")} ${help}`);
  }
  if (github) io.stdout.write(annotationsOf(problems));
  const names = results.report.result?.pending;
  const runs = names === undefined ? "" : `${amount(names.length)} to run, `;
  const count = problems.length === 1 ? "1 problem" : `${problems.length || "no"} problems`;
  printer.line(`${runs}${count}, compared with commit ${base}.`);
}

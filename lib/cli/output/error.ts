import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { structuredPatch } from "diff";
import { type ErrorDetails, given, MigrationError, type SqlChange } from "../../core/index.ts";
import { locate, maskSecrets } from "../../sql/index.ts";
import { entryOf, isTerminal, type ProcessIo, widthOf } from "../process-io.ts";
import { stateAfter } from "./after-failure.ts";
import {
  adviceFor,
  type Colors,
  cellsOf,
  clip,
  colorsFor,
  fold,
  takeColumns,
  visible,
  visibleAll,
  widthOfCells,
} from "./printer.ts";

/** A command that failed. */
interface FailedCommand {
  readonly error: MigrationError;
  readonly command: string;
  /** Absolute path. */
  readonly migrationsDir: string;
}

/** Tells a person what failed, the state of the database, and what to do. */
export function printError(io: ProcessIo, failed: FailedCommand): void {
  const error = withVisibleText(failed.error);
  const { detail, hint, context } = error.details;
  const colors = colorsFor(io, io.stderr);
  const columns = isTerminal(io, io.stderr) ? io.stderr.columns : undefined;
  const prose = (line: string) => fold(`  ${line}`, columns);
  const blocks = [
    [titleOf(error, colors), prose(error.message), ...placeLines(io, error)],
    statementLines(io, failed, colors),
    (error.details.changes ?? []).flatMap((change) =>
      describeChange(change, colors, error.code === "PLAN_DIFFERS" ? "approved" : "applied"),
    ),
    detail === undefined ? [] : [prose(`Detail: ${detail}`)],
    context === undefined ? [] : [prose(`Context: ${context.replaceAll("\n", "\n  ")}`)],
    stateAfter(failed.command, error).map(prose),
    hint === undefined
      ? []
      : [prose(`${colors.cyan("What to do:")} ${String(hint).replaceAll("\n", "\n  ")}`)],
    error.code === "CANCELLED" ? [] : [colors.dim(`  More: ${entryOf(error.code)}`)],
  ];
  const text = blocks.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  io.stderr.write(`\n${text.join("\n\n")}\n`);
}

/** Control characters are made visible, except in the statement: the position counts its characters. */
function withVisibleText(error: MigrationError): MigrationError {
  const { cause, statement, hint, ...others } = error.details;
  const details = {
    ...visibleAll(others),
    ...(hint === undefined ? {} : { hint: visible(adviceFor(hint)) }),
    ...given({ cause, statement }),
  };
  return new MigrationError(error.code, visible(error.message), details);
}

function titleOf({ code, details: { sqlstate, migration } }: MigrationError, colors: Colors): string {
  const title =
    code === "CANCELLED" ? colors.yellow("Cancelled") : `${colors.red("Error")} ${colors.bold(code)}`;
  const state = sqlstate === undefined ? "" : ` (SQLSTATE ${sqlstate})`;
  return title + state + (migration === undefined ? "" : ` in ${migration}`);
}

function placeLines(io: ProcessIo, error: MigrationError): string[] {
  const place = placeOfThrow(error, io.cwd);
  return place === undefined ? [] : [`  at ${place}`];
}

function statementLines(io: ProcessIo, { error, migrationsDir }: FailedCommand, colors: Colors): string[] {
  const { statement, position, migration, file, line }: ErrorDetails = error.details;
  if (statement === undefined) return [];
  const width = widthOf(io.stderr);
  const inside = position === undefined ? 1 : locate(statement, position).line;
  const firstLine = line === undefined ? undefined : line - inside + 1;
  const path = file === undefined ? undefined : relative(io.cwd, join(migrationsDir, file));
  if (position === undefined) {
    return [...heading(error.details, path), ...numbered(visible(statement), firstLine, width, colors)];
  }
  const inFile =
    migration === undefined
      ? undefined
      : findInSqlFile(migrationsDir, migration, statement, firstLine, io.cwd);
  const head = heading(error.details, path ?? inFile?.path);
  if (inFile === undefined) return [...head, ...excerpt(statement, position, width, colors)];
  return [...head, ...excerpt(inFile.text, inFile.before + position, width, colors)];
}

/** The file and line of the statement, and its number if there are several. */
function heading(
  { line, statementNumber, statements = 1 }: ErrorDetails,
  path: string | undefined,
): readonly string[] {
  const number =
    statements < 2 || statementNumber === undefined ? [] : [`statement ${statementNumber} of ${statements}`];
  const place = path === undefined ? [] : [line === undefined ? path : `${path}:${line}`];
  const all = [...place, ...number].join(", ");
  return all === "" ? [] : [`  ${visible(all)}:`];
}

const STATEMENT_LINES = 6;

/** The beginning of a statement, with the line numbers of its file if they are known. */
function numbered(statement: string, firstLine: number | undefined, width: number, colors: Colors): string[] {
  const lines = statement.trim().split(/\r\n|\r|\n/);
  const rest = lines.length - STATEMENT_LINES;
  const more = statement.endsWith("…") ? ["    …"] : rest > 0 ? [`    … ${rest} more lines`] : [];
  const gutter = String((firstLine ?? 1) + STATEMENT_LINES).length + 2;
  const shown = lines.slice(0, STATEMENT_LINES).map((text, index) => {
    if (firstLine === undefined) return clip(`    ${text}`, width);
    return `${colors.dim(`${String(firstLine + index).padStart(gutter)} |`)} ${clip(text, width - gutter - 3)}`.trimEnd();
  });
  return [...shown, ...more];
}

const CONTEXT_LINES = 2;
const DIFF_LINES = 40;

/** The diff between the SQL that was applied and that of the file now. */
function describeChange(
  { migration, before, after }: SqlChange,
  colors: Colors,
  was: "applied" | "approved",
): string[] {
  if (before === null)
    return [`  ${migration}: what was ${was} is not on record, so that no difference can be shown.`];
  const { hunks } = structuredPatch("", "", text(before), text(after), "", "", { context: CONTEXT_LINES });
  const lines = hunks.flatMap((hunk, index) => (index > 0 ? ["…", ...hunk.lines] : hunk.lines));
  const shown = lines.filter((line) => !line.startsWith("\\")).slice(0, DIFF_LINES);
  const more = lines.length - DIFF_LINES;
  return [
    `  ${colors.bold(migration)}: ${colors.red(`- as ${was}`)}  ${colors.green("+ as it is now")}`,
    ...shown.map((line) => `    ${paint(line, colors)}`),
    ...(more > 0 ? [colors.dim(`    … ${more} more lines`)] : []),
  ];
}

function text(steps: readonly string[]): string {
  return `${steps.join("\n").replaceAll("\r\n", "\n").trim()}\n`;
}

function paint(line: string, colors: Colors): string {
  if (line.startsWith("-")) return colors.red(line);
  return line.startsWith("+") ? colors.green(line) : line;
}

/** Where a statement stands in its file. */
interface StatementInFile {
  readonly path: string;
  /** The whole file, passwords masked. */
  readonly text: string;
  /** Characters (code points, as Postgres counts) before the statement. */
  readonly before: number;
}

/** Undefined if the statement is in no SQL file: then it can be shown itself. */
function findInSqlFile(
  dir: string,
  migration: string,
  statement: string,
  firstLine: number | undefined,
  cwd: string,
): StatementInFile | undefined {
  // The engine adds a semicolon to the end of a file.
  const searched = statement.replace(/\s*;?\s*$/, "");
  for (const extension of [".sql", ".up.sql", ".down.sql"]) {
    const path = join(dir, migration + extension);
    const text = maskSecrets(readOrEmpty(path));
    let at = text.indexOf(searched);
    // A file may contain the same statement more than once.
    while (at >= 0 && firstLine !== undefined && lineAt(text, at) !== firstLine)
      at = text.indexOf(searched, at + 1);
    if (at >= 0) return { path: relative(cwd, path), text, before: [...text.slice(0, at)].length };
  }
  return undefined;
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split(/\r\n|\r|\n/).length;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/^\ufeff/, "");
  } catch {
    return "";
  }
}

const AROUND = 2;

/** The lines around a position in SQL, with a caret under it. */
export function excerpt(sql: string, position: number, width: number, colors: Colors): string[] {
  const { line, column, lineText } = locate(sql, position);
  const lines = sql.trimEnd().split(/\r\n|\r|\n/);
  const from = Math.max(0, line - 1 - AROUND);
  const gutter = String(line + AROUND).length + 2;
  const room = Math.max(10, width - gutter - 3);
  const before = cellsOf(lineText.slice(0, column - 1));
  // A long line is cut around the caret, so that both stay on the screen.
  const cut = widthOfCells(before) < room ? 0 : before.length - Math.floor(room / 4);
  const caret = " ".repeat(widthOfCells(before.slice(cut)));
  const margin = (text: string | number) => colors.dim(`${String(text).padStart(gutter)} |`);
  const shown = lines.slice(from, line + AROUND).map((text, index) => {
    const part = visible(takeColumns(cellsOf(text).slice(cut), room));
    return `${margin(from + index + 1)} ${part}`.trimEnd();
  });
  return shown.toSpliced(line - from, 0, `${margin("")} ${caret}${colors.red("^")}`);
}

/** Where the code of a migration threw, as `file:line:column`; undefined if something else failed. */
function placeOfThrow({ code, details }: MigrationError, cwd: string): string | undefined {
  if (code !== "MIGRATION") return undefined;
  const frames = stackOf(details.cause).matchAll(
    /^ +at .*?((?:file:\/\/)?(?:\/|[A-Z]:[\\/])[^()]*):(\d+):(\d+)\)?$/gm,
  );
  for (const [, file = "", line, column] of frames) {
    if (/[\\/]node_modules[\\/]/.test(file)) continue;
    const path = file.startsWith("file:") ? fileURLToPath(file) : file;
    if (ENGINE.test(path)) continue;
    return `${relative(cwd, path)}:${line}:${column}`;
  }
  return undefined;
}

/** Calls of `pgm` go through these files before they reach node-pg-migrate. A project may have a `lib/engine` too. */
const ENGINE =
  /[\\/]lib[\\/](?:engine[\\/](?:contain|load|node-pg-migrate|queries|live-db|render)|postgres[\\/][\w-]+)\.ts$/;

/** The stack of the first error in the chain of causes. */
function stackOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const cause: unknown = Reflect.get(error, "cause");
  if (typeof cause === "object" && cause !== null) return stackOf(cause);
  const stack: unknown = Reflect.get(error, "stack");
  return typeof stack === "string" ? stack : "";
}

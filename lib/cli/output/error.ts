import { join, relative } from "node:path";
import { type ErrorDetails, given, MigrationError } from "../../core/index.ts";
import { locate } from "../../sql/index.ts";
import { isTerminal, type World, widthOf } from "../world.ts";
import { adviceFor } from "./advice.ts";
import { describeChange } from "./changes.ts";
import { excerpt } from "./excerpt.ts";
import { type Colors, colorsFor } from "./printer.ts";
import { findInSqlFile } from "./sql-file.ts";
import { stateAfter } from "./state.ts";
import { placeOfThrow } from "./throw-place.ts";
import { visible, visibleAll } from "./visible.ts";
import { clip, fold } from "./width.ts";

/** A command that failed. */
export interface FailedCommand {
  readonly error: MigrationError;
  readonly command: string;
  /** Absolute path. */
  readonly migrationsDir: string;
}

/** Tells a person what failed, what the database looks like now, and what to do. */
export function printError(world: World, failed: FailedCommand): void {
  const error = readable(failed.error);
  const { detail, hint, context } = error.details;
  const colors = colorsFor(world, world.stderr);
  const columns = isTerminal(world, world.stderr) ? world.stderr.columns : undefined;
  const prose = (line: string) => fold(`  ${line}`, columns);
  const blocks = [
    [titleOf(error, colors), prose(error.message), ...placeLines(world, error)],
    statementLines(world, failed, colors),
    (error.details.changes ?? []).flatMap((change) => describeChange(change, colors)),
    detail === undefined ? [] : [prose(`Detail: ${detail}`)],
    context === undefined ? [] : [prose(`Context: ${context.replaceAll("\n", "\n  ")}`)],
    stateAfter(failed.command, error).map(prose),
    hint === undefined
      ? []
      : [prose(`${colors.cyan("What to do:")} ${String(hint).replaceAll("\n", "\n  ")}`)],
  ];
  const text = blocks.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  world.stderr.write(`\n${text.join("\n\n")}\n`);
}

/** The statement stays as it is: a position counts its characters. */
function readable(error: MigrationError): MigrationError {
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

function placeLines(world: World, error: MigrationError): string[] {
  const place = placeOfThrow(error, world.cwd);
  return place === undefined ? [] : [`  at ${place}`];
}

function statementLines(world: World, { error, migrationsDir }: FailedCommand, colors: Colors): string[] {
  const { statement, position, migration, file, line }: ErrorDetails = error.details;
  if (statement === undefined) return [];
  const width = widthOf(world.stderr);
  const inside = position === undefined ? 1 : locate(statement, position).line;
  const firstLine = line === undefined ? undefined : line - inside + 1;
  const path = file === undefined ? undefined : relative(world.cwd, join(migrationsDir, file));
  if (position === undefined) {
    return [...heading(error.details, path), ...numbered(visible(statement), firstLine, width, colors)];
  }
  const found =
    migration === undefined
      ? undefined
      : findInSqlFile(migrationsDir, migration, statement, firstLine, world.cwd);
  const head = heading(error.details, path ?? found?.path);
  if (found === undefined) return [...head, ...excerpt(statement, position, width, colors)];
  return [...head, ...excerpt(found.text, found.before + position, width, colors)];
}

/** Where the statement is: file and line, and its number when there are several. */
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

const SHOWN_LINES = 6;

/** The beginning of a statement, with the numbers of its lines in the file where they are known. */
function numbered(statement: string, firstLine: number | undefined, width: number, colors: Colors): string[] {
  const lines = statement.trim().split(/\r\n|\r|\n/);
  const rest = lines.length - SHOWN_LINES;
  const more = statement.endsWith("…") ? ["    …"] : rest > 0 ? [`    … ${rest} more lines`] : [];
  const gutter = String((firstLine ?? 1) + SHOWN_LINES).length + 2;
  const shown = lines.slice(0, SHOWN_LINES).map((text, index) => {
    if (firstLine === undefined) return clip(`    ${text}`, width);
    return `${colors.dim(`${String(firstLine + index).padStart(gutter)} |`)} ${clip(text, width - gutter - 3)}`.trimEnd();
  });
  return [...shown, ...more];
}

import { type ErrorDetails, MigrationError } from "../../migrator/index.ts";
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
  const { detail, hint } = error.details;
  const colors = colorsFor(world, world.stderr);
  const columns = isTerminal(world, world.stderr) ? world.stderr.columns : undefined;
  const prose = (line: string) => fold(`  ${line}`, columns);
  const blocks = [
    [titleOf(error, colors), prose(error.message), ...placeLines(world, error)],
    statementLines(world, failed, colors),
    (error.details.changes ?? []).flatMap((change) => describeChange(change, colors)),
    detail === undefined ? [] : [prose(`Detail: ${detail}`)],
    stateAfter(failed.command, error).map(prose),
    hint === undefined
      ? []
      : [prose(`${colors.cyan("What to do:")} ${adviceFor(hint).replaceAll("\n", "\n  ")}`)],
  ];
  const text = blocks.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  world.stderr.write(`\n${text.join("\n\n")}\n`);
}

/** The statement stays as it is: a position counts its characters. */
function readable(error: MigrationError): MigrationError {
  const { cause, statement, ...others } = error.details;
  const details = {
    ...visibleAll(others),
    ...(cause === undefined ? {} : { cause }),
    ...(statement === undefined ? {} : { statement }),
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
  const { statement, position, migration }: ErrorDetails = error.details;
  if (statement === undefined) return [];
  const width = widthOf(world.stderr);
  if (position === undefined) return firstLines(visible(statement)).map((line) => clip(`    ${line}`, width));
  const found =
    migration === undefined ? undefined : findInSqlFile(migrationsDir, migration, statement, world.cwd);
  if (found === undefined) return excerpt(statement, position, width, colors);
  return [`  ${visible(found.path)}:`, ...excerpt(found.text, found.before + position, width, colors)];
}

const SHOWN_LINES = 6;

function firstLines(statement: string): string[] {
  const lines = statement.trim().split(/\r?\n/);
  const rest = lines.length - SHOWN_LINES;
  return rest > 0 ? [...lines.slice(0, SHOWN_LINES), `… ${rest} more lines`] : lines;
}

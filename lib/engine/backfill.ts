import { BACKFILL_DEFAULTS, type Backfill, MigrationError, property } from "../core/index.ts";
import {
  BATCH,
  type BackfillStatement,
  readBackfillStatements,
  readIdentifier,
  type SectionSettings,
} from "../sql/index.ts";

/** A backfill whose description was checked. Whether its table has such a key, the database tells. */
export interface CheckedBackfill {
  readonly statement: BackfillStatement;
  /** As SQL names it. */
  readonly table: string;
  /** Columns as the server reads their names; empty: the primary key. */
  readonly key: readonly string[];
  /** How the statement calls the table; undefined: its columns go without a name before them. */
  readonly alias: string | undefined;
  readonly limits: Required<Pick<Backfill, keyof typeof BACKFILL_DEFAULTS>>;
}

/** The words for the settings in a SQL file, with those in code. */
const HEADER = {
  table: "table",
  key: "key",
  batch: "batch",
  target: "targetMs",
  pause: "pauseMs",
  "max-lag": "maxLagMs",
} as const;

const HEADER_NAMES = Object.keys(HEADER).join(", ");

/** Reads the settings below `-- migrate: backfill` in a SQL file. @throws MigrationError `MIGRATION` */
export function readHeader(migration: string, sql: string, settings: SectionSettings): CheckedBackfill {
  const values = new Map<string, unknown>();
  for (const [name, text] of settings) {
    const property = Object.entries(HEADER).find(([word]) => word === name)?.[1];
    if (property === undefined) {
      const hint = `A backfill has these settings: ${HEADER_NAMES}. Leave an empty line above other comments.`;
      throw wrong(migration, `has "-- ${name}: ${text}", which is no setting of a backfill`, hint);
    }
    values.set(property, settingOf(migration, name, text));
  }
  return readBackfill(migration, { ...Object.fromEntries(values), statement: sql });
}

function settingOf(migration: string, name: string, text: string): unknown {
  if (name === "table") return text;
  if (name === "key") return text.split(",").map((column) => column.trim());
  if (name === "batch") return /^\d[\d_]*$/.test(text) ? Number(text.replaceAll("_", "")) : text;
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*(ms|s|min)$/.exec(text) ?? [];
  const factor = { ms: 1, s: 1_000, min: 60_000 }[unit];
  if (factor !== undefined) return Math.round(Number(number) * factor);
  if (text === "0") return 0;
  throw wrong(
    migration,
    `has "-- ${name}: ${text}"`,
    `Write a time with its unit, such as "-- ${name}: 500 ms" or "10 s".`,
  );
}

/**
 * Checks the description of a backfill.
 * @throws MigrationError `MIGRATION` for one that could not be run in batches, or would write rows for nothing
 */
export function readBackfill(migration: string, given: unknown): CheckedBackfill {
  const backfill = parse(migration, given);
  const [statement, second] = readBackfillStatements(backfill.statement);
  if (statement === undefined || second !== undefined) {
    const found = statement === undefined ? "no statement" : "more than one statement";
    throw wrong(
      migration,
      `has ${found}`,
      "A backfill is one statement. What goes before or after it is a migration of its own.",
    );
  }
  checkStatement(migration, statement);
  const { target } = statement;
  const table = backfill.table ?? target?.table;
  if (table === undefined)
    throw wrong(
      migration,
      "does not say whose rows it visits",
      'Name the table: "-- table: orders" below "-- migrate: backfill", or the property table.',
    );
  const { names, alias } = readKey(migration, [backfill.key ?? []].flat());
  const isTarget = target !== undefined && lastPart(target.table) === lastPart(table);
  if (isTarget) refuseAssigned(migration, statement, names);
  const { batch, targetMs, pauseMs, maxLagMs } = { ...BACKFILL_DEFAULTS, ...backfill };
  return {
    statement,
    table,
    key: names,
    alias: alias ?? (isTarget ? target.alias : undefined),
    limits: { batch, targetMs, pauseMs, maxLagMs },
  };
}

/** The backfill as a SQL file, for what shows or records its SQL. */
export function withHeader({ statement, table, key }: CheckedBackfill): string {
  const columns = key.map((column) => (/^[a-z_][a-z0-9_]*$/.test(column) ? column : `"${column}"`));
  const lines = ["-- migrate: backfill", `-- table: ${table}`];
  if (columns.length > 0) lines.push(`-- key: ${columns.join(", ")}`);
  return [...lines, statement.text].join("\n");
}

const VERBS = ["update", "delete", "insert", "merge", "with", "select"];

function checkStatement(migration: string, { verb, placeholders, target }: BackfillStatement): void {
  if (!VERBS.includes(verb)) {
    const hint =
      "The statement of a backfill is UPDATE, DELETE, INSERT … SELECT, MERGE, or SELECT of a function.";
    throw wrong(migration, `cannot run ${verb.toUpperCase()} in batches`, hint);
  }
  if (placeholders.length === 0) {
    const hint = `Add AND ${BATCH} to its WHERE: it becomes the condition on the key, so that each batch takes other rows.`;
    throw wrong(migration, `has no ${BATCH} in its statement: each batch would take all rows`, hint);
  }
  if (target?.hasCondition !== false || verb !== "update") return;
  const [column = "column"] = target.assigned;
  const hint = `Add the condition under which a row is still wrong, such as AND ${column} IS NULL or AND ${column} IS DISTINCT FROM …; AND true says that all rows are meant.`;
  throw wrong(
    migration,
    `has ${BATCH} as its only condition: rows that are right already would be written too`,
    hint,
  );
}

/** @throws MigrationError when the statement changes the column by which the batches go: rows would move between them */
export function refuseAssigned(
  migration: string,
  { target }: BackfillStatement,
  key: readonly string[],
): void {
  const changed = target?.assigned.find((column) => key.includes(column));
  if (changed === undefined) return;
  const hint =
    "Choose a key that the statement leaves alone: a row with a new key would be visited twice, or not at all.";
  throw wrong(migration, `changes "${changed}", a column of its key`, hint);
}

/** Columns without their alias, and the alias. */
function readKey(
  migration: string,
  columns: readonly string[],
): { readonly names: readonly string[]; readonly alias: string | undefined } {
  const parts = columns.map((column) => /^(?:(.+)\.)?("(?:[^"]|"")+"|[^."\s]+)$/.exec(column));
  const bad = columns.find((_, index) => parts[index] === null);
  if (bad !== undefined)
    throw wrong(
      migration,
      `has the key "${bad}", which is no name of a column`,
      'A key is a column or several with commas between them, such as "tenant_id, id".',
    );
  const aliases = new Set(parts.map((part) => part?.[1]));
  if (aliases.size > 1)
    throw wrong(
      migration,
      "has a key of more than one table",
      "All its columns belong to the table whose rows are visited.",
    );
  return { names: parts.map((part) => readIdentifier(part?.[2] ?? "")), alias: [...aliases][0] };
}

function lastPart(table: string): string {
  return readIdentifier(table.split(".").at(-1) ?? "");
}

const TEXTS = ["statement", "table"] as const;
const NUMBERS = ["batch", "targetMs", "pauseMs", "maxLagMs"] as const;
const PROPERTIES: readonly string[] = ["key", ...TEXTS, ...NUMBERS];

function parse(migration: string, given: unknown): Backfill {
  if (typeof given !== "object" || given === null)
    throw wrong(
      migration,
      `exports a backfill that is ${given === null ? "null" : `a ${typeof given}`}`,
      "Export an object: { key, statement }.",
    );
  const unknown = Object.keys(given).find((name) => !PROPERTIES.includes(name));
  if (unknown !== undefined)
    throw wrong(
      migration,
      `exports a backfill with "${unknown}"`,
      `A backfill has these properties: ${PROPERTIES.join(", ")}.`,
    );
  const statement = textIn(migration, given, "statement");
  if (statement === undefined)
    throw wrong(
      migration,
      "exports a backfill without a statement",
      `Give it the property statement, one SQL statement with ${BATCH} in its WHERE.`,
    );
  const table = textIn(migration, given, "table");
  const key = keyIn(migration, given);
  const numbers = NUMBERS.map((name) => [name, numberIn(migration, given, name)] as const);
  return {
    statement,
    ...(table === undefined ? {} : { table }),
    ...(key === undefined ? {} : { key }),
    ...Object.fromEntries(numbers.filter(([, value]) => value !== undefined)),
  };
}

function textIn(migration: string, holder: object, name: string): string | undefined {
  const value = property(holder, name);
  if (value === undefined || (typeof value === "string" && value.trim() !== "")) return value;
  throw wrong(migration, `has the ${name} ${shown(value)}`, `The ${name} of a backfill is text.`);
}

function keyIn(migration: string, holder: object): readonly string[] | undefined {
  const value = property(holder, "key");
  if (value === undefined) return undefined;
  const columns: unknown[] = Array.isArray(value) ? value : [value];
  const texts = columns.filter((column) => typeof column === "string");
  if (texts.length === columns.length && texts.length > 0) return texts;
  throw wrong(
    migration,
    `has the key ${shown(value)}`,
    'The key of a backfill is the name of a column, or a list of names: ["tenant_id", "id"].',
  );
}

/** A batch has at least one row; the times may be 0. */
function numberIn(migration: string, holder: object, name: (typeof NUMBERS)[number]): number | undefined {
  const value = property(holder, name);
  if (value === undefined) return undefined;
  const least = name === "batch" || name === "targetMs" ? 1 : 0;
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value < 2 ** 31) return value;
  const word = Object.entries(HEADER).find(([, one]) => one === name)?.[0];
  throw wrong(
    migration,
    `has the ${word} ${shown(value)}`,
    `It is a whole number${name === "batch" ? " of rows" : " of milliseconds"} from ${least} up.`,
  );
}

function shown(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 60) ?? typeof value;
}

function wrong(migration: string, what: string, hint: string): MigrationError {
  return new MigrationError("MIGRATION", `backfill ${migration} ${what}`, { migration, hint });
}

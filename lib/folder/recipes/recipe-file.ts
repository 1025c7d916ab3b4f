import { derivedName, parseName, parseTable, quoteName, type TableName } from "./sql-names.ts";

/** What a recipe is told, by the names of the flags. */
export interface RecipeValues {
  readonly table?: string | undefined;
  /** Several where the recipe takes several, with commas between them. */
  readonly column?: string | undefined;
  readonly to?: string | undefined;
  readonly type?: string | undefined;
  readonly references?: string | undefined;
  readonly value?: string | undefined;
  readonly key?: string | undefined;
  readonly default?: string | undefined;
  readonly notNull?: boolean | undefined;
}

/** One file of a recipe. */
export interface RecipeFile {
  /** The end of its name: `expand`, `backfill`, `contract` and the like. Empty for a recipe of one file. */
  readonly step: string;
  /** @param nameOf the name of the migration of another step */
  readonly text: (nameOf: (step: string) => string) => string;
}

/** A value that the recipe needs: whoever calls has asked for it. */
export function needed(value: string | undefined): string {
  return value?.trim() ?? "";
}

export interface Column {
  readonly table: TableName;
  /** Without quotes. */
  readonly name: string;
  readonly sql: string;
}

export function columnOf({ table, column }: RecipeValues): Column {
  const name = parseName("--column", needed(column));
  return { table: parseTable("--table", needed(table)), name, sql: quoteName(name) };
}

/** Their names without quotes. */
export function columnsOf({ column }: RecipeValues): readonly string[] {
  return needed(column)
    .split(",")
    .map((text) => parseName("--column", text));
}

/** Paragraphs of a comment. */
type About = readonly string[];

function comment(about: About): string {
  return about.map((text) => `${text.replace(/^/gm, "-- ")}\n`).join("--\n");
}

const joined = (statements: readonly string[]): string => statements.join("\n");

export function reversible(
  step: string,
  about: About,
  up: readonly string[],
  down: readonly string[],
): RecipeFile {
  const text = `${comment(about)}\n-- Up Migration\n${joined(up)}\n\n-- Down Migration\n${joined(down)}\n`;
  return { step, text: () => text };
}

export function irreversible(step: string, about: About, reason: string, up: readonly string[]): RecipeFile {
  const text = `${comment(about)}-- irreversible: ${reason}\n\n${joined(up)}\n`;
  return { step, text: () => text };
}

/** @param settings lines such as `key: id` */
export function filling(
  step: string,
  about: About,
  statement: string,
  settings: readonly string[] = [],
): RecipeFile {
  const header = ["migrate: backfill", ...settings].map((line) => `-- ${line}\n`).join("");
  return { step, text: () => `${comment(about)}${header}${statement}\n` };
}

/** The same file as a contract after the migration of another step. */
export function contractAfter(step: string, file: RecipeFile): RecipeFile {
  return {
    ...file,
    text: (nameOf) => `-- migrate: contract after ${nameOf(step)}\n${file.text(nameOf)}`,
  };
}

/** A trigger that completes the row which is being written, and its function. */
export function rowTrigger(
  { table }: Column,
  name: string,
  body: string,
): { readonly create: string; readonly drop: string } {
  const routine = `${table.schema}${name}`;
  return {
    create: `CREATE FUNCTION ${routine}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
${body.replace(/^/gm, "  ")}
  RETURN NEW;
END
$$;
CREATE TRIGGER ${name} BEFORE INSERT OR UPDATE ON ${table.sql}
  FOR EACH ROW EXECUTE FUNCTION ${routine}();`,
    drop: `DROP TRIGGER ${name} ON ${table.sql};\nDROP FUNCTION ${routine}();`,
  };
}

/** The two files that prove that a column holds no null, and the statements that use the proof. */
export function notNullProof(table: TableName, column: string) {
  const name = derivedName(table.name, column, "not_null");
  const alter = `ALTER TABLE ${table.sql}`;
  const add = `${alter} ADD CONSTRAINT ${name}\n  CHECK (${quoteName(column)} IS NOT NULL) NOT VALID;`;
  const validate = `${alter} VALIDATE CONSTRAINT ${name};`;
  const drop = `${alter} DROP CONSTRAINT ${name};`;
  const files = [
    reversible(
      "check",
      [
        "From now on no row gets a null. Rows that are there are not looked at (NOT VALID), so that the table is\nlocked for a moment only.",
      ],
      [add],
      [drop],
    ),
    reversible(
      "validate",
      [
        "Reads the whole table. Others read and write it meanwhile, because this is a transaction of its own.",
      ],
      [validate],
      [drop, add],
    ),
  ];
  const set = [
    "-- The validated constraint proves that there is no null: the table is not read.",
    `${alter} ALTER COLUMN ${quoteName(column)} SET NOT NULL;`,
    drop,
  ];
  const unset = [`${alter} ALTER COLUMN ${quoteName(column)} DROP NOT NULL;`, add, validate];
  return { files, set, unset };
}

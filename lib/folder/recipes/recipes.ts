import { addNotNull, backfillColumn, changeType, dropColumn, renameColumn } from "./column-recipes.ts";
import type { RecipeFile, RecipeValues } from "./recipe-file.ts";
import { addForeignKey, addIndex, splitTable } from "./table-recipes.ts";

interface Recipe {
  /** What has to be given, and how it is asked for. */
  readonly needs: Readonly<Partial<Record<keyof RecipeValues, string>>>;
  /** What may be given too. */
  readonly takes: readonly (keyof RecipeValues)[];
  /** @throws MigrationError `USAGE` for a value that is no name */
  readonly files: (values: RecipeValues) => readonly RecipeFile[];
}

const TABLE = "the table, such as orders or shop.orders";
const COLUMN = "the column";
const COLUMNS = "the columns, with commas between them";

/** The usual changes of a table in use, in files that block nobody for long. */
export const RECIPES = {
  /** Gives a column another name while code with either name runs. */
  "rename-column": {
    needs: { table: TABLE, column: COLUMN, to: "its new name", type: "its type, such as text" },
    takes: ["notNull", "default"],
    files: renameColumn,
  },
  /** Gives a column another type without rewriting the table under a lock. */
  "change-type": {
    needs: { table: TABLE, column: COLUMN, type: "its new type, such as bigint" },
    takes: ["notNull", "default"],
    files: changeType,
  },
  /** Forbids null in a column, and fills the rows that have none. */
  "add-not-null": {
    needs: { table: TABLE, column: COLUMN, value: "what rows without a value get, as SQL: 0, 'none', now()" },
    takes: [],
    files: addNotNull,
  },
  /** Makes a column refer to another table, with an index for it. */
  "add-foreign-key": {
    needs: { table: TABLE, column: COLUMN, references: "the table it refers to, such as customers" },
    takes: ["key"],
    files: addForeignKey,
  },
  /** Moves columns of a table to a new one. */
  "split-table": {
    needs: { table: TABLE, column: COLUMNS, to: "the new table" },
    takes: ["key", "notNull"],
    files: splitTable,
  },
  /** Drops a column once no code uses it any more. */
  "drop-column": { needs: { table: TABLE, column: COLUMN }, takes: ["notNull"], files: dropColumn },
  /** Builds an index while the table is used. */
  "add-index": { needs: { table: TABLE, column: COLUMNS }, takes: [], files: addIndex },
  /** Gives a value to the rows that have none, in batches. */
  backfill: {
    needs: { table: TABLE, column: COLUMN, value: "the value, as SQL: 0, 'none', price * 100" },
    takes: [],
    files: backfillColumn,
  },
} as const satisfies Readonly<Record<string, Recipe>>;

export type RecipeName = keyof typeof RECIPES;

import {
  columnOf,
  columnsOf,
  contractAfter,
  filling,
  irreversible,
  needed,
  type RecipeFile,
  type RecipeValues,
  reversible,
} from "./recipe-file.ts";
import {
  derivedName,
  parseName,
  parseTable,
  quoteName,
  requireAnother,
  type TableName,
} from "./sql-names.ts";

export function addIndex(values: RecipeValues): readonly RecipeFile[] {
  const about =
    "Outside a transaction: CONCURRENTLY lets others write to the table while the index is built.";
  return [buildIndex("", about, parseTable("--table", needed(values.table)), columnsOf(values))];
}

function buildIndex(step: string, about: string, table: TableName, columns: readonly string[]): RecipeFile {
  const name = derivedName(table.name, ...columns, "idx");
  const file = reversible(
    step,
    [about],
    [`CREATE INDEX CONCURRENTLY ${name} ON ${table.sql} (${columns.map(quoteName).join(", ")});`],
    [`DROP INDEX CONCURRENTLY ${table.schema}${name};`],
  );
  return { ...file, text: (nameOf) => `-- migrate: no-transaction\n${file.text(nameOf)}` };
}

export function addForeignKey(values: RecipeValues): readonly RecipeFile[] {
  const { table, name, sql } = columnOf(values);
  const target = parseTable("--references", needed(values.references));
  const key = quoteName(parseName("--key", values.key ?? "id"));
  const constraint = derivedName(table.name, name, "fkey");
  const alter = `ALTER TABLE ${table.sql}`;
  const add = `${alter} ADD CONSTRAINT ${constraint}\n  FOREIGN KEY (${sql}) REFERENCES ${target.sql} (${key}) NOT VALID;`;
  const drop = `${alter} DROP CONSTRAINT ${constraint};`;
  const why = `Without it, each DELETE in ${target.sql} reads all of ${table.sql}. Delete this file if there is such an index.`;
  return [
    buildIndex("index", why, table, [name]),
    reversible(
      "expand",
      [
        "From now on a row that is written must refer to one that is there. Rows of before are not looked at (NOT VALID),\nso that both tables are locked for a moment only.",
        `Rows that refer to nothing fail the next step. This finds them:\nSELECT * FROM ${table.sql} AS t WHERE ${sql} IS NOT NULL AND NOT EXISTS (SELECT FROM ${target.sql} WHERE ${key} = t.${sql});`,
      ],
      [add],
      [drop],
    ),
    reversible(
      "validate",
      ["Reads the whole table. Others read and write both tables meanwhile."],
      [`${alter} VALIDATE CONSTRAINT ${constraint};`],
      [drop, add],
    ),
  ];
}

interface Split {
  readonly table: TableName;
  readonly to: TableName;
  /** As SQL names them. */
  readonly key: string;
  readonly columns: readonly string[];
}

/**
 * The old table stays the one that is written until no old code runs: with a trigger in each direction, old and new code
 * would lock the rows of both tables in different orders, and end in deadlocks.
 */
export function splitTable(values: RecipeValues): readonly RecipeFile[] {
  const table = parseTable("--table", needed(values.table));
  const to = parseTable("--to", needed(values.to));
  requireAnother("--to", to.sql, { of: table.sql, flag: "--table" });
  const key = quoteName(parseName("--key", values.key ?? "id"));
  const columns = columnsOf(values).map(quoteName);
  const { create, drop } = copyTrigger({ table, to, key, columns });
  const each = (action: string) =>
    columns.map((column) => `ALTER TABLE ${table.sql} ${action.replace("?", column)};`);
  const contract = irreversible(
    "contract",
    [
      `Belongs to release 2, whose code uses ${to.sql} only: keep the file until then. A deploy after that\napplies it.`,
    ],
    `what was in these columns is in ${to.sql}`,
    [drop, ...each("DROP COLUMN ?")],
  );
  return [
    reversible(
      "expand",
      [
        `The new table, and a trigger that copies into it what code writes to ${table.sql}. It takes three releases:`,
        `1. with these files: code reads ${to.sql}, and still writes ${table.sql};\n2. with the contract: code reads and writes ${to.sql} only;\n3. any later one: the contract is applied.`,
        `The role of the application needs its rights on ${to.sql} before the trigger writes there:\nGRANT SELECT, INSERT, UPDATE ON ${to.sql} TO …;`,
      ],
      [
        `CREATE TABLE ${to.sql} AS SELECT ${[key, ...columns].join(", ")} FROM ${table.sql} WITH NO DATA;`,
        `ALTER TABLE ${to.sql} ADD PRIMARY KEY (${key});`,
        `ALTER TABLE ${to.sql} ADD FOREIGN KEY (${key}) REFERENCES ${table.sql} (${key}) ON DELETE CASCADE;`,
        ...(values.notNull
          ? ["-- The code of release 2 leaves them out.", ...each("ALTER COLUMN ? DROP NOT NULL")]
          : []),
        `\n${create}`,
      ],
      [drop, `DROP TABLE ${to.sql};`, ...(values.notNull ? each("ALTER COLUMN ? SET NOT NULL") : [])],
    ),
    copyRows({ table, to, key, columns }),
    contractAfter("backfill", contract),
  ];
}

function copyTrigger({ table, to, key, columns }: Split): { readonly create: string; readonly drop: string } {
  const name = derivedName(table.name, to.name, "sync");
  const routine = `${table.schema}${name}`;
  const all = [key, ...columns];
  const create = `CREATE FUNCTION ${routine}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'INSERT' AND num_nonnulls(${columns.map((column) => `NEW.${column}`).join(", ")}) = 0 THEN
    RETURN NULL;
  END IF;
  INSERT INTO ${to.sql} (${all.join(", ")}) VALUES (${all.map((column) => `NEW.${column}`).join(", ")})
  ON CONFLICT (${key}) DO UPDATE SET ${columns.map((column) => `${column} = EXCLUDED.${column}`).join(", ")};
  RETURN NULL;
END
$$;
CREATE TRIGGER ${name} AFTER INSERT OR UPDATE OF ${columns.join(", ")} ON ${table.sql}
  FOR EACH ROW EXECUTE FUNCTION ${routine}();`;
  return { create, drop: `DROP TRIGGER ${name} ON ${table.sql};\nDROP FUNCTION ${routine}();` };
}

function copyRows({ table, to, key, columns }: Split): RecipeFile {
  const of = (names: readonly string[]) => names.map((column) => `source.${column}`).join(", ");
  return filling(
    "backfill",
    [
      "Copies the rows that nobody has written since the trigger is there, in batches. FOR KEY SHARE leaves out rows that\nare deleted meanwhile.",
    ],
    `INSERT INTO ${to.sql} (${[key, ...columns].join(", ")})
SELECT ${of([key, ...columns])} FROM ${table.sql} AS source
WHERE num_nonnulls(${of(columns)}) > 0 AND :batch
FOR KEY SHARE
ON CONFLICT (${key}) DO NOTHING;`,
    [`table: ${table.sql}`, `key: source.${key}`],
  );
}

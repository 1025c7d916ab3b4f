import {
  columnOf,
  contractAfter,
  filling,
  irreversible,
  needed,
  notNullProof,
  type RecipeFile,
  type RecipeValues,
  reversible,
  rowTrigger,
} from "./recipe-file.ts";
import { derivedName, parseName, quoteName, requireAnother } from "./sql-names.ts";

const FILLED = "Fills the rows that nobody has written since the trigger is there, in batches.";

export function renameColumn(values: RecipeValues): readonly RecipeFile[] {
  const { table, sql: old } = columnOf(values);
  const next = parseName("--to", needed(values.to));
  const now = quoteName(next);
  requireAnother("--to", now, { of: old, flag: "--column" });
  const alter = `ALTER TABLE ${table.sql}`;
  const trigger = copyBothWays(values, old, now);
  const proof = values.notNull ? notNullProof(table, next) : undefined;
  const setDefault =
    values.default === undefined ? [] : [`${alter} ALTER COLUMN ${now} SET DEFAULT ${values.default};`];
  const contract = irreversible(
    "contract",
    [
      `Belongs to the first release whose code uses ${now} only, or to a later one: keep the file until then. A deploy after\nthat applies it, when no stack rollback can return to code that knows ${old}.`,
    ],
    `what was in ${old} is in ${now}`,
    [trigger.drop, ...(proof?.set ?? []), ...setDefault, `${alter} DROP COLUMN ${old};`],
  );
  return [
    reversible(
      "expand",
      [
        `Adds ${now} beside ${old}. The trigger copies the one that was written into the other, so that old code, which\nknows ${old}, and new code, which knows ${now}, run at the same time, and old code can come back.`,
        `If there is an index on ${old}, make one on ${now} before new code runs: the recipe add-index writes it.`,
      ],
      [`${alter} ADD COLUMN ${now} ${needed(values.type)};\n`, trigger.create],
      [trigger.drop, `${alter} DROP COLUMN ${now};`],
    ),
    filling(
      "backfill",
      [FILLED],
      `UPDATE ${table.sql} SET ${now} = ${old} WHERE ${now} IS DISTINCT FROM ${old} AND :batch;`,
    ),
    ...(proof?.files ?? []),
    contractAfter(proof === undefined ? "backfill" : "validate", contract),
  ];
}

/** Where both were written, the new column counts. */
function copyBothWays(values: RecipeValues, old: string, now: string) {
  const column = columnOf(values);
  return rowTrigger(
    column,
    derivedName(column.table.name, column.name, "sync"),
    `IF TG_OP = 'INSERT' THEN
  IF NEW.${now} IS NULL THEN NEW.${now} := NEW.${old}; ELSE NEW.${old} := NEW.${now}; END IF;
ELSIF NEW.${now} IS DISTINCT FROM OLD.${now} THEN
  NEW.${old} := NEW.${now};
ELSE
  NEW.${now} := NEW.${old};
END IF;`,
  );
}

export function changeType(values: RecipeValues): readonly RecipeFile[] {
  const column = columnOf(values);
  const { table, name, sql } = column;
  const type = needed(values.type);
  const next = derivedName(name, "new");
  const alter = `ALTER TABLE ${table.sql}`;
  const sync = derivedName(table.name, name, "sync");
  const trigger = rowTrigger(column, sync, `NEW.${next} := NEW.${sql}::${type};`);
  const proof = values.notNull ? notNullProof(table, `${name}_new`) : undefined;
  return [
    reversible(
      "expand",
      [
        `ALTER COLUMN … TYPE rewrites the table while nobody can use it. This adds a column of the new type, which the\ntrigger keeps in step. Where ::${type} is not the right conversion, change it here and in the backfill.`,
        `If there is an index on ${sql}, make one on ${next} before the switch: the recipe add-index writes it. This is not for\na primary key, nor for a column that a foreign key refers to.`,
      ],
      [`${alter} ADD COLUMN ${next} ${type};\n`, trigger.create],
      [trigger.drop, `${alter} DROP COLUMN ${next};`],
    ),
    filling(
      "backfill",
      [FILLED],
      `UPDATE ${table.sql} SET ${next} = ${sql}::${type} WHERE ${next} IS DISTINCT FROM ${sql}::${type} AND :batch;`,
    ),
    ...(proof?.files ?? []),
    ...switchColumns(values, [trigger.drop, ...(proof?.set ?? [])]),
  ];
}

function switchColumns(values: RecipeValues, before: readonly string[]): readonly RecipeFile[] {
  const { table, name, sql } = columnOf(values);
  const [next, last] = [derivedName(name, "new"), derivedName(name, "old")];
  const alter = `ALTER TABLE ${table.sql}`;
  const moveDefault = [
    `${alter} ALTER COLUMN ${sql} DROP DEFAULT;`,
    `${alter} ALTER COLUMN ${next} SET DEFAULT ${values.default};`,
  ];
  const renaming = irreversible(
    "switch",
    [
      "Gives the new column the name, in one short transaction. Code must be able to read and write both types: the old\ncode runs after it for a while. In a session that has prepared a statement which reads the column, that statement\nfails once, because its result has another type.",
    ],
    `rows that are written after it are not in ${last}`,
    [
      ...before,
      ...(values.default === undefined ? [] : moveDefault),
      "-- Nobody writes it any more.",
      `${alter} ALTER COLUMN ${sql} DROP NOT NULL;`,
      "-- lint: ignore renaming-column: the next statement gives this name to the new column",
      `${alter} RENAME COLUMN ${sql} TO ${last};`,
      "-- lint: ignore renaming-column: no code knows the name that it had until now",
      `${alter} RENAME COLUMN ${next} TO ${sql};`,
    ],
  );
  const contract = irreversible(
    "contract",
    ["Until a later release has been deployed, the old values can be looked at."],
    "the values of before the switch are gone",
    [`${alter} DROP COLUMN ${last};`],
  );
  return [renaming, contractAfter("switch", contract)];
}

export function addNotNull(values: RecipeValues): readonly RecipeFile[] {
  const column = columnOf(values);
  const { table, name, sql } = column;
  const value = needed(values.value);
  const fill = `IF NEW.${sql} IS NULL THEN NEW.${sql} := ${value}; END IF;`;
  const trigger = rowTrigger(column, derivedName(table.name, name, "fill"), fill);
  const proof = notNullProof(table, name);
  return [
    reversible(
      "expand",
      [
        "Where code still writes null, or leaves the column out, the row gets the value: nothing fails, and no new null\nappears.",
      ],
      [trigger.create],
      [trigger.drop],
    ),
    filling(
      "backfill",
      ["Fills the rows that have no value, in batches."],
      `UPDATE ${table.sql} SET ${sql} = ${value} WHERE ${sql} IS NULL AND :batch;`,
    ),
    ...proof.files,
    contractAfter(
      "validate",
      reversible(
        "contract",
        [
          "Without the trigger, code that writes null fails. So it belongs to the first release whose code always writes a\nvalue, or to a later one: keep the file until then. A deploy after that applies it.",
        ],
        [...proof.set, trigger.drop],
        [trigger.create, ...proof.unset],
      ),
    ),
  ];
}

export function dropColumn(values: RecipeValues): readonly RecipeFile[] {
  const { table, sql } = columnOf(values);
  const alter = `ALTER TABLE ${table.sql}`;
  const describe = (text: string) => `COMMENT ON COLUMN ${table.sql}.${sql} IS ${text};`;
  const nullable = values.notNull ? [`${alter} ALTER COLUMN ${sql} DROP NOT NULL;`] : [];
  const notNull = values.notNull ? [`${alter} ALTER COLUMN ${sql} SET NOT NULL;`] : [];
  const why = values.notNull
    ? "That code leaves the column out, which NOT NULL would refuse."
    : "A column that is NOT NULL and has no default needs --not-null.";
  return [
    reversible(
      "expand",
      [`Belongs to the first release whose code does not use ${sql}.\n${why}`],
      [...nullable, describe("'Not used any more: about to be dropped.'")],
      [describe("NULL"), ...notNull],
    ),
    contractAfter(
      "expand",
      irreversible(
        "contract",
        ["A deploy applies it, when no stack rollback can return to code that uses the column."],
        "the values of the column are gone",
        [`${alter} DROP COLUMN ${sql};`],
      ),
    ),
  ];
}

export function backfillColumn(values: RecipeValues): readonly RecipeFile[] {
  const { table, sql } = columnOf(values);
  return [
    filling(
      "",
      [
        "Runs in batches, each in a transaction of its own. Deploy code that writes new rows right before it.",
      ],
      `UPDATE ${table.sql} SET ${sql} = ${needed(values.value)} WHERE ${sql} IS NULL AND :batch;`,
    ),
  ];
}

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { openFolder } from "../../lib/folder/index.ts";
import { ownTablesOf, readCatalog } from "../../lib/review/catalog/index.ts";
import { squashMigrations } from "../../lib/review/squash/index.ts";
import { readContents } from "../../lib/review/squash/rows.ts";
import { scratchOn } from "../../lib/review/verify/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, openMigrator } from "../support/migrator.ts";

/** What a migration may do. Objects are numbered by their migration, so that each name is new. */
const KINDS = {
  table: (n: number) => `CREATE TABLE t${n} (id serial PRIMARY KEY, a text DEFAULT 'x', b int CHECK (b > 0))`,
  column: (n: number, table: string) => `ALTER TABLE ${table} ADD COLUMN c${n} numeric(9, 2) DEFAULT ${n}.5`,
  rows: (n: number, table: string) =>
    `INSERT INTO ${table} (a, b) SELECT 'it''s ' || i, i FROM generate_series(1, ${n % 4}) AS i`,
  update: (n: number, table: string) => `UPDATE ${table} SET a = NULL, b = ${n} WHERE b % 2 = 1`,
  remove: (_: number, table: string) => `DELETE FROM ${table} WHERE b = 2`,
  index: (n: number, table: string) => `CREATE INDEX i${n} ON ${table} (lower(a)) WHERE b > ${n}`,
  view: (n: number, table: string) => `CREATE VIEW v${n} AS SELECT id, a FROM ${table}`,
  comment: (n: number, table: string) => `COMMENT ON TABLE ${table} IS 'by migration ${n}'`,
  function: (n: number, table: string) =>
    `CREATE FUNCTION f${n}() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM ${table}'`,
  foreignKey: (n: number, table: string) =>
    `CREATE TABLE t${n} (id serial PRIMARY KEY, a text, b int REFERENCES ${table})`,
  type: (n: number) => `CREATE TYPE e${n} AS ENUM ('b', 'a')`,
  sequence: (n: number) => `CREATE SEQUENCE s${n} START 7; SELECT nextval('s${n}')`,
} satisfies Record<string, (n: number, table: string) => string>;

const step = fc.record({ kind: fc.constantFrom(...Object.values(KINDS)), table: fc.nat(20) });

/** Folders whose first migration makes a table, and where to divide them. */
const folders = fc
  .array(step, { minLength: 3, maxLength: 12 })
  .chain((steps) => fc.record({ steps: fc.constant(steps), to: fc.integer({ min: 2, max: steps.length }) }));

function writeMigrations(steps: readonly { kind: (n: number, table: string) => string; table: number }[]) {
  const tables = ["t1"];
  const files: Record<string, string> = { "01_m.sql": KINDS.table(1) };
  for (const [index, { kind, table }] of steps.entries()) {
    const n = index + 2;
    files[`${String(n).padStart(2, "0")}_m.sql`] = kind(n, tables[table % tables.length] ?? "t1");
    if (kind === KINDS.table) tables.push(`t${n}`);
  }
  return files;
}

async function stateOf(db: TestDatabase): Promise<unknown> {
  const client = await db.client();
  const exclude = { exclude: ownTablesOf({}) };
  return { schema: await readCatalog(client, exclude), contents: await readContents(client, exclude) };
}

describe("squash of any folder", () => {
  test(
    "a squashed folder, the full folder, and half of it followed by the squashed one make the same database",
    () =>
      fc.assert(
        fc.asyncProperty(folders, async ({ steps, to }) =>
          withDatabase((full) =>
            withDatabase((half) =>
              withDatabase(async (fresh) => {
                const files = writeMigrations(steps);
                const names = Object.keys(files).map((file) => file.replace(".sql", ""));
                const last = names[to - 1] ?? "";
                const dir = writeFolder(files);
                await (await openMigrator(full, dir)).up();
                await (await openMigrator(half, dir)).up({ to: last });

                const squashed = await squashMigrations({
                  scratch: scratchOn(full.connection),
                  source: await openFolder(dir),
                  to: last,
                });
                removeFiles(dir, ...squashed.replaced.flatMap((one) => one.files));
                addFiles(dir, { [squashed.fileName]: squashed.sql });
                await (await openMigrator(half, dir)).up();
                await (await openMigrator(fresh, dir)).up();

                const expected = await stateOf(full);
                expect(await stateOf(fresh)).toEqual(expected);
                expect(await stateOf(half)).toEqual(expected);
                expect(await appliedNames(fresh)).toEqual([squashed.name, ...names.slice(to)]);
              }),
            ),
          ),
        ),
        { numRuns: 5, endOnFailure: true },
      ),
    120_000,
  );
});

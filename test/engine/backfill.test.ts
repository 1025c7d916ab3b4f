import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";

/** A table with a column that is to be filled. Each write of a row counts in `writes`. */
const ordersOf = (rows: number) => ({
  "1_orders.sql": `
    CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL, cents bigint, writes int NOT NULL DEFAULT 0);
    CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN NEW.writes := OLD.writes + 1; RETURN NEW; END';
    CREATE TRIGGER count_write BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION count_write();
    INSERT INTO orders (id, total) SELECT n * 3, n / 4.0 FROM generate_series(1, ${rows}) n;`,
});

const FILL = `-- migrate: backfill
-- key: id
-- batch: 100
UPDATE orders SET cents = total * 100 WHERE cents IS NULL AND :batch;
`;

const REFUSE_750 = { "2_check.sql": "ALTER TABLE orders ADD CHECK (id <> 750 OR cents IS NULL);" };

const wrongRows = (db: TestDatabase) =>
  db.query("SELECT id FROM orders WHERE cents IS DISTINCT FROM (total * 100)::bigint OR writes <> 1");

/** How many transactions have written the rows of a table. */
const batchesOf = (db: TestDatabase, table: string) =>
  db.query(`SELECT count(*)::int AS rows, count(DISTINCT xmin::text)::int AS batches FROM ${table}`);

const recordedTotal = (db: TestDatabase, migration: string) =>
  db.query(
    `SELECT (progress->>'total')::int AS total FROM pgmigrations_history WHERE migration = '${migration}' ORDER BY id`,
  );

describe("a backfill", () => {
  it("a backfill writes every row once, in batches that are recorded with their rows", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...ordersOf(1050), "2_fill.sql": FILL });
      const report = await (await openMigrator(db, dir)).up();
      expect(report.completed.map(({ migration }) => migration)).toEqual(["1_orders", "2_fill"]);
      expect(await wrongRows(db)).toEqual([]);
      expect(await batchesOf(db, "orders")).toEqual([{ rows: 1050, batches: 11 }]);
      const rows = await db.query(
        "SELECT state, statement, no_transaction, progress FROM pgmigrations_history WHERE migration = '2_fill'",
      );
      const progress = expect.objectContaining({
        kind: "backfill",
        key: ["3150"],
        rows: 1050,
        written: 1050,
      });
      expect(rows).toEqual([{ state: "finished", statement: null, no_transaction: true, progress }]);
      expect(await appliedNames(db)).toEqual(["1_orders", "2_fill"]);
    }));

  it("a backfill may be an export of a module, with a key of several columns", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_t.sql": `CREATE TABLE t (tenant text, at timestamptz, n int, "Done" boolean, PRIMARY KEY (tenant, at));
          INSERT INTO t SELECT $$o'$$ || n % 7, timestamptz '2020-01-01' + n * interval '1 minute 1 microsecond', n
          FROM generate_series(1, 500) n;`,
        "2_fill.ts": `import type { Backfill } from "cdk-pg-migrate";
          export const backfill: Backfill = {
            key: ["tenant", "at"],
            batch: 30,
            statement: 'UPDATE t AS x SET "Done" = true WHERE "Done" IS NULL AND :batch',
          };`,
      });
      await (await openMigrator(db, dir)).up();
      expect(await db.query('SELECT count(*)::int AS n FROM t WHERE "Done"')).toEqual([{ n: 500 }]);
      expect(await batchesOf(db, "t")).toEqual([{ rows: 500, batches: 17 }]);
    }));

  it("a backfill takes the primary key when it names none, and for INSERT … SELECT the alias that its key has", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        ...ordersOf(250),
        "2_fill.sql":
          "-- migrate: backfill\nUPDATE orders SET cents = total * 100 WHERE cents IS NULL AND :batch",
        "3_copies.sql": "CREATE TABLE copies (id bigint PRIMARY KEY, cents bigint);",
        "4_copy.sql": `-- migrate: backfill
-- table: orders
-- key: o.id
-- batch: 100
INSERT INTO copies SELECT o.id, o.cents FROM orders AS o JOIN orders AS other USING (id) WHERE :batch`,
      });
      await (await openMigrator(db, dir)).up();
      expect(await wrongRows(db)).toEqual([]);
      expect(await batchesOf(db, "copies")).toEqual([{ rows: 250, batches: 3 }]);
    }));

  it("a backfill leaves rows alone that are right already", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...ordersOf(300), "2_fill.sql": FILL });
      const migrator = await openMigrator(db, dir);
      await migrator.up({ count: 1 });
      await db.query("UPDATE orders SET cents = total * 100 WHERE id <= 300");
      await migrator.up();
      expect(await wrongRows(db)).toEqual([]);
      const [row] = await db.query(
        "SELECT progress->'rows' AS rows, progress->'written' AS written FROM pgmigrations_history WHERE migration = '2_fill'",
      );
      expect(row).toEqual({ rows: 300, written: 200 });
    }));

  it("a backfill stays pending when its statement fails, keeps its batches, and goes on once the cause is gone", () =>
    withDatabase(async (db) => {
      const files = { ...ordersOf(3000), ...REFUSE_750, "3_fill.sql": FILL, "4_after.sql": "SELECT 1;" };
      const migrator = await openMigrator(db, writeFolder(files));
      const error = await failureOf(migrator.up());
      const place = { migration: "3_fill", sqlstate: "23514", file: "3_fill.sql", line: 4 };
      expect(error).toMatchObject({ code: "SQL", details: { ...place, remaining: ["3_fill", "4_after"] } });
      expect(`${error.details.hint}`).toMatch(/200 of about [\d,]+ rows/);
      const { migrations, counts } = await migrator.status();
      expect(counts).toMatchObject({ pending: 2, partial: 0 });
      expect(migrations[2]).toMatchObject({ state: "pending", backfill: { rows: 200, written: 200 } });
      const total = migrations[2]?.backfill?.total;
      await db.query("ALTER TABLE orders DROP CONSTRAINT orders_check");
      await db.query(
        "INSERT INTO orders SELECT id + 10000, 1 FROM orders; DELETE FROM orders WHERE id > 10000",
      );
      await migrator.up();
      // Dead rows have doubled the table since, from whose size the planner estimates.
      expect(await recordedTotal(db, "3_fill")).toEqual([{ total }, { total }]);
      expect(await wrongRows(db)).toEqual([]);
      expect(await appliedNames(db)).toEqual(["1_orders", "2_check", "3_fill", "4_after"]);
    }));

  it("a backfill begins again when its statement was changed after it had stopped", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...ordersOf(300), ...REFUSE_750, "3_fill.sql": FILL });
      await failureOf((await openMigrator(db, dir)).up());
      const other = "UPDATE orders SET cents = 7 WHERE cents IS DISTINCT FROM 7 AND id <> 750 AND :batch";
      addFiles(dir, { "3_fill.sql": `-- migrate: backfill\n${other}` });
      const again = await openMigrator(db, dir);
      await again.up();
      const message = expect.stringContaining("3_fill begins again");
      expect(again.events).toContainEqual({ type: "warning", message });
      expect(await db.query("SELECT id FROM orders WHERE cents IS DISTINCT FROM 7")).toEqual([{ id: "750" }]);
    }));

  it("a backfill begins at the first row after the column that it fills was undone and added again", () =>
    withDatabase(async (db) => {
      const files = {
        "1_t.sql":
          "CREATE TABLE t (id int PRIMARY KEY, divisor int); INSERT INTO t SELECT n, n - 250 FROM generate_series(1, 300) n;",
        "2_column.sql":
          "ALTER TABLE t ADD COLUMN done int;\n-- Down Migration\nALTER TABLE t DROP COLUMN done;",
        "3_fill.sql":
          "-- migrate: backfill\n-- batch: 100\nUPDATE t SET done = 1 / divisor WHERE done IS NULL AND :batch",
      };
      const migrator = await openMigrator(db, writeFolder(files));
      const error = await failureOf(migrator.up());
      expect(error.details.backfill).toMatchObject({ rows: 200, batches: 2 });
      const again = await failureOf(migrator.up());
      expect(again.details.backfill).toMatchObject({ rows: 200, batches: 0 });
      await migrator.down();
      expect((await migrator.status()).migrations.at(-1)).not.toHaveProperty("backfill");
      await db.query("UPDATE t SET divisor = 1");
      await migrator.up();
      expect(await db.query("SELECT count(done)::int AS done FROM t")).toEqual([{ done: 300 }]);
    }));

  it("a backfill stops at the deadline between two batches, and the next run goes on", () =>
    withDatabase(async (db) => {
      const slow = "UPDATE orders SET cents = total * 100 FROM pg_sleep(0.2) WHERE cents IS NULL AND :batch";
      const dir = writeFolder({
        ...ordersOf(1000),
        "2_fill.sql": `-- migrate: backfill\n-- batch: 100\n${slow}`,
      });
      const hurried = await openMigrator(db, dir, {}, { deadline: Date.now() + 1_500 });
      const error = await failureOf(hurried.up());
      expect(error).toMatchObject({
        code: "DEADLINE",
        details: { applied: ["1_orders"], remaining: ["2_fill"] },
      });
      expect(error.details.partial).toBeUndefined();
      const unhurried = await openMigrator(db, dir);
      const status = await unhurried.status();
      expect(status.refusals).toEqual([]);
      const reached = status.migrations[1]?.backfill?.rows ?? 0;
      expect(reached).toBeGreaterThan(0);
      expect(reached).toBeLessThan(1000);
      await unhurried.up();
      expect(await wrongRows(db)).toEqual([]);
    }));

  it("a backfill ends although others insert rows behind its last key all the time", () =>
    withDatabase(async (db) => {
      const insert = "INSERT INTO orders (id, total) SELECT max(id) + 1, 0 FROM orders";
      const dir = writeFolder({
        ...ordersOf(150),
        // Each batch meets a row that was inserted after the one before it.
        "2_function.sql": `CREATE FUNCTION inserting() RETURNS bool LANGUAGE sql AS $$${insert} RETURNING true$$;`,
        "3_fill.sql": FILL.replace(" WHERE", " FROM inserting() AS x WHERE"),
      });
      await (await openMigrator(db, dir)).up();
      const [row] = await db.query(
        "SELECT progress->'rows' AS rows FROM pgmigrations_history WHERE migration = '3_fill'",
      );
      expect(row).toEqual({ rows: 151 });
    }));

  it("a backfill is undone without SQL, or with the SQL of its down section", () =>
    withDatabase(async (db) => {
      const down = "-- Down Migration\nUPDATE orders SET cents = NULL;";
      const dir = writeFolder({ ...ordersOf(10), "2_fill.sql": FILL, "3_fill.sql": `${FILL}${down}` });
      const migrator = await openMigrator(db, dir);
      await migrator.up();
      await migrator.redo({ count: 2 });
      expect(await db.query("SELECT id FROM orders WHERE cents IS NULL")).toEqual([]);
      await migrator.down({ count: 1 });
      expect(await db.query("SELECT id FROM orders WHERE cents IS NOT NULL")).toEqual([]);
      await migrator.down({ count: 1 });
      expect(await appliedNames(db)).toEqual(["1_orders"]);
      expect(migrator.events.filter(({ type }) => type === "warning")).toEqual([]);
    }));
});

/** Files that are no backfills, and what is said of them. */
const BAD_FILES: readonly (readonly [text: string, message: RegExp])[] = [
  ["UPDATE t SET n = 1 WHERE n IS NULL", /has no :batch/],
  ["UPDATE t SET n = 1 WHERE :batch", /:batch as its only condition/],
  ["UPDATE t SET n = 1 WHERE n IS NULL AND :batch; SELECT 1", /more than one statement/],
  ["-- nothing", /no statement/],
  ["ALTER TABLE t ADD COLUMN m int", /cannot run ALTER in batches/],
  ["INSERT INTO u SELECT n FROM t WHERE :batch", /does not say whose rows/],
  ["-- key: id\nUPDATE t SET id = 1 WHERE n IS NULL AND :batch", /changes "id", a column of its key/],
  ["UPDATE t SET id = 1 WHERE n IS NULL AND :batch", /changes "id", a column of its key/],
  ["-- keys: id\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /"-- keys: id", which is no setting/],
  ["-- key: lower(id)\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /the key "lower\(id\)"/],
  ["-- batch: many\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /has the batch "many"/],
  ["-- batch: 0\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /has the batch 0/],
  ["-- target: 5\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /has "-- target: 5"/],
  ["-- key: gone\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /no such column/],
  ["-- key: n\nUPDATE t SET m = 1 WHERE m IS NULL AND :batch", /may be NULL/],
  ["-- key: m\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /without a unique index on public.t \("m"\)/],
  ["-- key: part\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /without a unique index/],
  ["-- key: late\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /without a unique index/],
  ["-- key: ci\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /without a unique index/],
  ["-- key: m, id\nUPDATE t SET n = 1 WHERE n IS NULL AND :batch", /without a unique index/],
  ["UPDATE bare SET n = 1 WHERE n IS NULL AND :batch", /has no primary key/],
  ["UPDATE v SET n = 1 WHERE n IS NULL AND :batch", /public.v, which is no table/],
];

const GOOD = "statement: 'UPDATE t SET n = 1 WHERE true AND :batch'";

const BAD_EXPORTS: readonly (readonly [source: string, message: RegExp])[] = [
  ["7", /exports a backfill that is a number/],
  ["{}", /without a statement/],
  ["{ statement: 1 }", /has the statement 1/],
  [`{ ${GOOD}, rows: 5 }`, /exports a backfill with "rows"/],
  [`{ ${GOOD}, key: [1] }`, /has the key \[1\]/],
  [`{ ${GOOD}, batch: 1.5 }`, /has the batch 1.5/],
  [`{ ${GOOD} }; export const up = () => {}`, /exports both up and backfill/],
];

/** Tables whose keys are of no use, and some that are. */
const TABLES = `CREATE EXTENSION citext;
  CREATE TABLE t (id int PRIMARY KEY, n int UNIQUE, m int NOT NULL, part int NOT NULL,
                  late int NOT NULL UNIQUE DEFERRABLE, ci citext NOT NULL UNIQUE, UNIQUE (id, m));
  CREATE UNIQUE INDEX ON t (part) WHERE part > 0;
  CREATE TABLE bare (n int);
  CREATE VIEW v AS SELECT * FROM t;`;

describe("a backfill that cannot be run in batches", () => {
  it("a wrong backfill is refused before anything runs", () =>
    withDatabase(async (db) => {
      await db.query(TABLES);
      const files = [
        ...BAD_FILES.map(([text, said]) => ["2_bad.sql", `-- migrate: backfill\n${text}`, said] as const),
        ...BAD_EXPORTS.map(([code, said]) => ["2_bad.mjs", `export const backfill = ${code}`, said] as const),
      ];
      await (await openMigrator(db, writeFolder({ "0_first.sql": "SELECT 1;" }))).baseline();
      for (const [file, text, said] of files) {
        const dir = writeFolder({ "1_before.sql": "CREATE TABLE before ();", [file]: text });
        const { code, message, details } = await failureOf((await openMigrator(db, dir)).up());
        const hint = expect.anything();
        const expected = { text, code: "MIGRATION", message: expect.stringMatching(said), hint };
        expect({ text, code, message, hint: details.hint }).toEqual(expected);
      }
      expect(await db.query("SELECT to_regclass('before') AS before")).toEqual([{ before: null }]);
    }));

  it("a wrong backfill is found out on an empty table too, by its statement", () =>
    withDatabase(async (db) => {
      const text = FILL.replace("cents IS NULL", "no_column IS NULL");
      const dir = writeFolder({ ...ordersOf(0), "2_fill.sql": text });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({
        code: "SQL",
        details: {
          sqlstate: "42703",
          file: "2_fill.sql",
          line: 4,
          statement: expect.stringMatching(/^UPDATE orders/),
          position: "UPDATE orders SET cents = total * 100 WHERE ".length + 1,
        },
      });
    }));
});

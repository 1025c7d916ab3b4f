import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { LockMode, MeasuredMigration } from "../../../lib/core/index.ts";
import { createDatabase, type TestDatabase } from "../../support/database.ts";
import { writeFolder } from "../../support/folders.ts";
import { openMigrator } from "../../support/migrator.ts";
import { chosenCases, pgMajor } from "../../support/postgres.ts";

/** Tables with rows, and one of each kind of object that DDL is about. */
const SCHEMA = `
  CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
  CREATE TABLE orders (
    id int PRIMARY KEY,
    customer int REFERENCES customers,
    code varchar(10),
    total int,
    price numeric(10, 2),
    placed timestamp,
    doubled int GENERATED ALWAYS AS (total * 2) STORED,
    CONSTRAINT placed_late CHECK (placed > '2000-01-01') NOT VALID
  );
  CREATE UNIQUE INDEX orders_code ON orders (code);
  CREATE TABLE lines (id int, "order" int);
  CREATE TABLE archive (LIKE orders);
  CREATE TABLE events (id int, at date) PARTITION BY RANGE (at);
  CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2000-01-01') TO ('2001-01-01');
  CREATE TABLE events_new (id int, at date);
  CREATE MATERIALIZED VIEW totals AS SELECT sum(total) FROM orders;
  CREATE VIEW cheap AS SELECT id FROM orders WHERE total < 10;
  CREATE SEQUENCE numbers;
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE TRIGGER touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
  INSERT INTO customers SELECT n, 'c' FROM generate_series(1, 100) AS n;
  INSERT INTO orders (id, customer, code, total, price, placed)
    SELECT n, n % 100 + 1, n, n, n, '2026-01-01' FROM generate_series(1, 2000) AS n;
  INSERT INTO lines SELECT n, n % 2000 + 1 FROM generate_series(1, 2000) AS n;
  INSERT INTO events_new SELECT n, '2001-05-05' FROM generate_series(1, 100) AS n;
`;

interface Case {
  readonly sql: string;
  /** What Postgres's manual says it locks, on tables, views and sequences. */
  readonly locks: Readonly<Record<string, LockMode>>;
  readonly rewrites?: readonly string[];
  readonly builds?: readonly string[];
  /** The first version that knows it. */
  readonly since?: number;
}

const exclusive = (...tables: string[]) =>
  Object.fromEntries(tables.map((table) => [table, "ACCESS EXCLUSIVE"] as const));
const rewrite = (...builds: string[]) => ({
  locks: exclusive("orders"),
  rewrites: ["orders"],
  builds: ["orders_pkey", "orders_code", ...builds],
});
const instant = { locks: exclusive("orders") };

const CASES: readonly Case[] = [
  { sql: "ALTER TABLE orders ADD COLUMN note text", ...instant },
  { sql: "ALTER TABLE orders ADD COLUMN note text DEFAULT 'x' NOT NULL", ...instant },
  { sql: "ALTER TABLE orders ADD COLUMN note float DEFAULT random()", ...rewrite() },
  { sql: "ALTER TABLE orders ADD COLUMN note serial", ...rewrite() },
  { sql: "ALTER TABLE orders ADD COLUMN note int GENERATED ALWAYS AS IDENTITY", ...rewrite() },
  { sql: "ALTER TABLE orders ADD COLUMN note int GENERATED ALWAYS AS (total + 1) STORED", ...rewrite() },
  {
    sql: "ALTER TABLE orders ADD COLUMN note int GENERATED ALWAYS AS (total + 1) VIRTUAL",
    ...instant,
    since: 18,
  },
  { sql: "ALTER TABLE orders DROP COLUMN price", ...instant },
  { sql: "ALTER TABLE orders ALTER COLUMN price TYPE float", ...rewrite() },
  { sql: "ALTER TABLE orders ALTER COLUMN price TYPE numeric(8, 2)", ...rewrite() },
  { sql: "ALTER TABLE orders ALTER COLUMN price TYPE numeric(12, 2)", ...instant },
  { sql: "ALTER TABLE orders ALTER COLUMN code TYPE varchar(20)", ...instant },
  { sql: "ALTER TABLE orders ALTER COLUMN code TYPE text", ...instant },
  { sql: "ALTER TABLE orders ALTER COLUMN placed TYPE timestamptz", ...instant },
  { sql: "ALTER TABLE orders ALTER COLUMN total SET DEFAULT 0", ...instant },
  { sql: "ALTER TABLE orders ALTER COLUMN total SET NOT NULL", ...instant },
  { sql: "ALTER TABLE customers ALTER COLUMN name DROP NOT NULL", locks: exclusive("customers") },
  {
    sql: "ALTER TABLE orders ALTER COLUMN code SET STATISTICS 500",
    locks: { orders: "SHARE UPDATE EXCLUSIVE" },
  },
  { sql: "ALTER TABLE orders ALTER COLUMN code SET STORAGE EXTERNAL", ...instant },
  { sql: "ALTER TABLE orders ALTER COLUMN doubled DROP EXPRESSION", ...instant },
  { sql: "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0)", ...instant },
  { sql: "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID", ...instant },
  { sql: "ALTER TABLE orders ADD CONSTRAINT filled NOT NULL total NOT VALID", ...instant, since: 18 },
  { sql: "ALTER TABLE orders VALIDATE CONSTRAINT placed_late", locks: { orders: "SHARE UPDATE EXCLUSIVE" } },
  {
    sql: 'ALTER TABLE lines ADD FOREIGN KEY ("order") REFERENCES orders',
    locks: { lines: "SHARE ROW EXCLUSIVE", orders: "SHARE ROW EXCLUSIVE" },
  },
  {
    sql: 'ALTER TABLE lines ADD FOREIGN KEY ("order") REFERENCES orders NOT VALID',
    locks: { lines: "SHARE ROW EXCLUSIVE", orders: "SHARE ROW EXCLUSIVE" },
  },
  {
    sql: "ALTER TABLE lines ADD CONSTRAINT lines_pkey PRIMARY KEY (id)",
    locks: exclusive("lines"),
    builds: ["lines_pkey"],
  },
  { sql: "ALTER TABLE orders ADD UNIQUE USING INDEX orders_code", ...instant },
  { sql: "ALTER TABLE orders DROP CONSTRAINT placed_late", ...instant },
  {
    sql: "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey",
    locks: exclusive("orders", "customers"),
  },
  { sql: "ALTER TABLE orders RENAME COLUMN code TO sign", ...instant },
  { sql: "ALTER TABLE orders RENAME TO purchases", ...instant },
  { sql: "ALTER TABLE orders SET (fillfactor = 70)", locks: { orders: "SHARE UPDATE EXCLUSIVE" } },
  { sql: "ALTER TABLE lines SET UNLOGGED", locks: exclusive("lines"), rewrites: ["lines"] },
  { sql: "ALTER TABLE orders DISABLE TRIGGER touched", locks: { orders: "SHARE ROW EXCLUSIVE" } },
  { sql: "ALTER TABLE orders ENABLE ROW LEVEL SECURITY", ...instant },
  {
    sql: "ALTER TABLE events ATTACH PARTITION events_new FOR VALUES FROM ('2001-01-01') TO ('2002-01-01')",
    locks: { events: "SHARE UPDATE EXCLUSIVE", events_new: "ACCESS EXCLUSIVE" },
  },
  { sql: "ALTER TABLE events DETACH PARTITION events_old", locks: exclusive("events", "events_old") },
  { sql: "ALTER SEQUENCE numbers RESTART WITH 5", locks: { numbers: "SHARE ROW EXCLUSIVE" } },
  { sql: "ALTER INDEX orders_code RENAME TO orders_sign", locks: {} },
  {
    sql: "CREATE INDEX orders_total ON orders (total)",
    locks: { orders: "SHARE" },
    builds: ["orders_total"],
  },
  { sql: "DROP INDEX orders_code", ...instant },
  { sql: "REINDEX TABLE orders", locks: { orders: "SHARE" }, builds: ["orders_pkey", "orders_code"] },
  {
    sql: "CREATE TRIGGER again BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch()",
    locks: { orders: "SHARE ROW EXCLUSIVE" },
  },
  { sql: "DROP TRIGGER touched ON orders", ...instant },
  { sql: "CREATE POLICY everything ON orders USING (true)", ...instant },
  { sql: "CREATE STATISTICS pairs ON code, total FROM orders", locks: { orders: "SHARE UPDATE EXCLUSIVE" } },
  { sql: "COMMENT ON TABLE orders IS 'x'", locks: { orders: "SHARE UPDATE EXCLUSIVE" } },
  { sql: "ANALYZE orders", locks: { orders: "SHARE UPDATE EXCLUSIVE" } },
  { sql: "CLUSTER orders USING orders_pkey", ...rewrite() },
  { sql: "TRUNCATE lines", locks: exclusive("lines"), rewrites: ["lines"] },
  { sql: "DROP TABLE lines", locks: exclusive("lines") },
  { sql: "DROP TABLE archive, lines", locks: exclusive("archive", "lines") },
  {
    sql: 'CREATE TABLE refunds (id int, "order" int REFERENCES orders)',
    locks: { orders: "SHARE ROW EXCLUSIVE" },
  },
  { sql: "CREATE OR REPLACE VIEW cheap AS SELECT id FROM orders WHERE total < 5", locks: exclusive("cheap") },
  { sql: "REFRESH MATERIALIZED VIEW totals", locks: exclusive("totals"), rewrites: ["totals"] },
  { sql: "LOCK TABLE orders IN EXCLUSIVE MODE", locks: { orders: "EXCLUSIVE" } },
  { sql: "UPDATE orders SET total = 1 WHERE id <= 10", locks: { orders: "ROW EXCLUSIVE" } },
  { sql: "CREATE TABLE alone (id int PRIMARY KEY)", locks: {} },
];

const known = CASES.filter(({ since = 0 }) => since <= pgMajor());

describe("a measured statement", () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createDatabase();
    await (await openMigrator(db, writeFolder({ "1_schema.sql": SCHEMA }))).up();
  });
  afterAll(() => db.drop());

  async function measure(sql: string): Promise<MeasuredMigration | undefined> {
    const dir = writeFolder({ "1_schema.sql": SCHEMA, "2_change.sql": sql });
    const { measured = [] } = await (await openMigrator(db, dir)).measureUp();
    return measured[0];
  }

  it.each(chosenCases(known, 4))("$sql locks and rewrites what the manual says", async (expected) => {
    const measured = await measure(expected.sql);
    expect(measured).toMatchObject({ outcome: "measured", reason: null });
    const locks = measured?.locks.filter(({ kind }) => kind !== "index") ?? [];
    expect(Object.fromEntries(locks.map(({ table, mode }) => [table, mode]))).toEqual(expected.locks);
    expect(locks.filter(({ rewritten }) => rewritten).map(({ table }) => table)).toEqual(
      expected.rewrites ?? [],
    );
    const built = measured?.indexes.map(({ index }) => index) ?? [];
    expect(built.toSorted()).toEqual([...(expected.builds ?? [])].toSorted());
  });
});

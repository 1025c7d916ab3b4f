/**
 * Ten migrations of every kind. Each writes into `log`, a table without any constraint, so that whatever ran twice
 * is there twice.
 */
const note = (migration: number, step: number): string =>
  `INSERT INTO log (migration, step) VALUES (${migration}, ${step})`;

const MIXED = [
  note(7, 1),
  "CREATE INDEX CONCURRENTLY log_step ON log (step)",
  note(7, 3),
  "CREATE UNIQUE INDEX CONCURRENTLY people_both ON people (name, id)",
];

export const SIX: Readonly<Record<string, string>> = {
  "01_log.sql": `-- Up Migration
CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY, migration int NOT NULL, step int NOT NULL);
${note(1, 1)};
-- Down Migration
DROP TABLE log;`,
  "02_people.ts": `
export const up = (pgm: any) => {
  pgm.createTable("people", { id: "id", name: { type: "text", notNull: true } });
  pgm.sql("INSERT INTO people (name) VALUES ('Ada'), ('Bob')");
  pgm.sql("${note(2, 1)}");
};
export const down = (pgm: any) => {
  pgm.dropTable("people");
  pgm.sql("DELETE FROM log WHERE migration = 2");
};`,
  "03_function.sql": `-- Up Migration
CREATE FUNCTION noted(m int, s int) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
  INSERT INTO log (migration, step) VALUES (m, s); -- with a semicolon; here
END $body$;
SELECT noted(3, 1);
DO $$ BEGIN PERFORM noted(3, 2); END $$;
-- Down Migration
DROP FUNCTION noted; DELETE FROM log WHERE migration = 3;`,
  "04_index.sql": `-- migrate: no-transaction
-- Up Migration
CREATE INDEX CONCURRENTLY people_name ON people (name);
-- Down Migration
DROP INDEX CONCURRENTLY people_name;`,
  "05_counter.sql": `-- Up Migration
CREATE TABLE counter (n int NOT NULL); INSERT INTO counter VALUES (0);
UPDATE counter SET n = n + 1; ${note(5, 1)};
-- Down Migration
DROP TABLE counter; DELETE FROM log WHERE migration = 5;`,
  "06_dynamic.ts": `
export const up = async (pgm: any) => {
  const { rows } = await pgm.db.query("SELECT count(*)::int AS n FROM people");
  await pgm.db.query("${note(6, 1)}");
  pgm.sql(\`INSERT INTO log (migration, step) VALUES (6, \${rows[0].n})\`);
};
export const down = (pgm: any) => pgm.sql("DELETE FROM log WHERE migration = 6");`,
};

export const TEN: Readonly<Record<string, string>> = {
  ...SIX,
  "07_mixed.sql": `-- migrate: no-transaction
-- Up Migration
${MIXED.join(";\n")};
-- Down Migration
DROP INDEX CONCURRENTLY people_both;
DROP INDEX CONCURRENTLY log_step;
DELETE FROM log WHERE migration = 7;`,
  "08_pair.up.sql": `ALTER TABLE people ADD email text; UPDATE people SET email = name || '@example.com'; ${note(8, 1)};`,
  "08_pair.down.sql": "ALTER TABLE people DROP email; DELETE FROM log WHERE migration = 8;",
  "09_builder.ts": `
export const up = (pgm: any) => {
  pgm.addColumns("people", { born: { type: "date" } });
  pgm.createIndex("people", "born");
  pgm.sql("${note(9, 1)}");
};
export const down = (pgm: any) => {
  pgm.dropColumns("people", ["born"]);
  pgm.sql("DELETE FROM log WHERE migration = 9");
};`,
  "10_last.sql": `-- Up Migration
UPDATE counter SET n = n + 10; ${note(10, 1)};
-- Down Migration
UPDATE counter SET n = n - 10; DELETE FROM log WHERE migration = 10;`,
};

export const TEN_NAMES = [
  ...["01_log", "02_people", "03_function", "04_index", "05_counter", "06_dynamic"],
  ...["07_mixed", "08_pair", "09_builder", "10_last"],
];

/** A statement outside a transaction as a person looks at it. */
export interface LooseStatement {
  /** SQL whose one column `done` tells whether it took effect. */
  readonly done: string;
  /** SQL that takes it back, whether it took effect, half of it did, or nothing. */
  readonly undo: string;
}

const index = (name: string): LooseStatement => ({
  done: `SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('${name}') AND indisvalid) AS done`,
  undo: `DROP INDEX IF EXISTS ${name}`,
});
const line = (migration: number, step: number): LooseStatement => ({
  done: `SELECT EXISTS (SELECT FROM log WHERE migration = ${migration} AND step = ${step}) AS done`,
  undo: `DELETE FROM log WHERE migration = ${migration} AND step = ${step}`,
});

/** The statements of the migrations that run outside a transaction. */
export const LOOSE: Readonly<Record<string, readonly LooseStatement[]>> = {
  "04_index": [index("people_name")],
  "07_mixed": [line(7, 1), index("log_step"), line(7, 3), index("people_both")],
};

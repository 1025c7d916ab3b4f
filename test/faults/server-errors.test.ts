import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
import { expectNothingLeft } from "./state.ts";
import { until } from "./until.ts";

/** Fails with the SQLSTATE in `fault.switch`, if there is one: the files need not change for the second run. */
const FAULT = `DO $$ DECLARE state text; BEGIN
  SELECT code INTO state FROM fault.switch;
  IF FOUND THEN RAISE EXCEPTION 'simulated' USING ERRCODE = state; END IF;
END $$`;
const line = (n: number): string => `INSERT INTO log VALUES (${n})`;

/** Where the fault is; each migration writes lines 1 and 3 around it. */
const PLACES: readonly (readonly [string, string, string])[] = [
  ["in one text", "2_b.sql", `${line(1)};\n${FAULT};\n${line(3)};`],
  [
    "between two steps of the builder",
    "2_b.ts",
    `export const up = (pgm: any) => { for (const sql of ${JSON.stringify([line(1), FAULT, line(3)])}) pgm.sql(sql); };`,
  ],
  [
    "in a dynamic migration",
    "2_b.ts",
    `export const up = async (pgm: any) => { for (const sql of ${JSON.stringify([line(1), FAULT, line(3)])}) await pgm.db.query(sql); };`,
  ],
  ["outside a transaction", "2_b.sql", `-- migrate: no-transaction\n${line(1)};\n${FAULT};\n${line(3)};`],
];

/** Disk full, out of memory, too many connections, serialization failure, shutting down, lost inside the server. */
const CODES = ["53100", "53200", "53300", "40001", "57P01", "08006"];

describe("an error of the server at the second of three statements", () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createDatabase();
    await db.query("CREATE SCHEMA fault; CREATE TABLE fault.switch (code text)");
  });
  afterAll(() => db.drop());

  async function prepare(code: string, file: string, text: string): Promise<string> {
    await db.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public; TRUNCATE fault.switch");
    await db.query("INSERT INTO fault.switch VALUES ($1)", [code]);
    return writeFolder({ "1_log.sql": "CREATE TABLE log (n int);", [file]: text });
  }

  const lines = async () => (await db.query<{ n: number }>("SELECT n FROM log ORDER BY n")).map(({ n }) => n);

  it.each(CODES)(
    "after SQLSTATE %s, a transaction is rolled back, other work can be settled, and a second run does the rest [G19]",
    async (code) => {
      for (const [place, file, text] of PLACES) {
        const dir = await prepare(code, file, text);
        const error = await failureOf((await openMigrator(db, dir)).up());
        expect(error.details).toMatchObject({ migration: "2_b", applied: ["1_log"], remaining: ["2_b"] });
        await expectNothingLeft(db);
        const loose = place === "outside a transaction";
        expect([place, await lines()]).toEqual([place, loose ? [1] : []]);
        await db.query("TRUNCATE fault.switch");
        const migrator = await openMigrator(db, dir);
        if (loose) await migrator.resolve("2_b", "retry");
        await migrator.up();
        expect([place, await lines()]).toEqual([place, [1, 3]]);
        expect(await appliedNames(db)).toEqual(["1_log", "2_b"]);
      }
    },
  );

  it.each(CODES.slice(0, 4))("the SQLSTATE %s is reported unchanged and recorded [G19]", async (code) => {
    const dir = await prepare(code, "2_b.sql", FAULT);
    const error = await failureOf((await openMigrator(db, dir)).up());
    expect(error).toMatchObject({ code: "SQL", details: { sqlstate: code } });
    expect(
      await db.query("SELECT state, error_code FROM pgmigrations_history WHERE migration = '2_b'"),
    ).toEqual([{ state: "failed", error_code: "SQL" }]);
  });

  it.each(CODES.slice(4))(
    "the SQLSTATE %s that a migration raises in a working session is reported unchanged and recorded",
    async (code) => {
      const dir = await prepare(code, "2_b.sql", FAULT);
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect(error).toMatchObject({ code: "SQL", details: { sqlstate: code } });
      expect(await db.query("SELECT state FROM pgmigrations_history WHERE migration = '2_b'")).toEqual([
        { state: "failed" },
      ]);
    },
  );

  it("a real shutdown of the backend in the middle of a statement is a lost connection", async () => {
    const dir = await prepare(
      "",
      "2_b.sql",
      `${line(1)}; SELECT pg_sleep(20) FROM fault.switch; ${line(3)};`,
    );
    const failing = failureOf((await openMigrator(db, dir)).up());
    const kill =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%INSERT INTO log%pg_sleep%' AND pid <> pg_backend_pid() AND datname = current_database()";
    await until(async () => (await db.query(kill)).length > 0, "the statement");
    expect(await failing).toMatchObject({ code: "CONNECTION", details: { applied: ["1_log"] } });
    await db.query("TRUNCATE fault.switch");
    await (await openMigrator(db, dir)).up();
    expect(await lines()).toEqual([1, 3]);
  });
});

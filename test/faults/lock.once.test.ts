import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { environmentOf, startCommand, writeProject } from "../cli/command.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { appliedNames, openMigrator } from "../support/migrator.ts";
import { empty, expectNothingLeft } from "./state.ts";
import { until } from "./until.ts";

/** Takes long for as long as `fault.slow` has a row. */
const SLOW = "SELECT pg_sleep(30) FROM fault.slow";
/** Ends when the row goes. */
const PATIENT =
  "DO $$ BEGIN WHILE EXISTS (SELECT FROM fault.slow) LOOP PERFORM pg_sleep(0.05); END LOOP; END $$";

describe("kill -9 and the migration lock", () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createDatabase();
    await db.query("CREATE SCHEMA fault; CREATE TABLE fault.slow (n int)");
  });
  afterAll(() => db.drop());

  const isRunning = (text: string) => async () =>
    (
      await db.query(
        "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1 AND datname = current_database()",
        [`%${text}%`],
      )
    ).length > 0;

  const slowProject = async (text: string): Promise<string> => {
    await empty(db);
    await db.query("TRUNCATE fault.slow; INSERT INTO fault.slow VALUES (1)");
    return writeProject({ "1_a.sql": "CREATE TABLE a (n int);", "2_slow.sql": text });
  };

  it.each([
    ["in a transaction", `INSERT INTO a VALUES (1); ${SLOW}; INSERT INTO a VALUES (2);`],
    ["outside a transaction", `-- migrate: no-transaction\n${SLOW};`],
  ])("the server releases the lock of a killed run %s, and the waiting run gets it [G2]", async (_, text) => {
    const project = await slowProject(text);
    const holder = startCommand(project, ["up"], environmentOf(db.connection));
    await until(isRunning(text.startsWith("--") ? "SELECT pg_sleep" : "INSERT INTO a"), "the slow statement");
    const waiter = await openMigrator(db, join(project, "migrations"));
    const waiting = waiter.up().then(
      () => undefined,
      (error: unknown) => error,
    );
    await until(() => waiter.events.some(({ type }) => type === "lock-wait"), "the other run to wait");
    await db.query("DELETE FROM fault.slow");
    const killedAt = Date.now();
    holder.send("SIGKILL");
    const error = await waiting;
    // client_connection_check_interval is two seconds; a busy machine may add some.
    expect(Date.now() - killedAt).toBeLessThan(18_000);
    if (text.startsWith("--")) expect(error).toMatchObject({ code: "PARTIAL" });
    else expect(await appliedNames(db)).toEqual(["1_a", "2_slow"]);
    await expectNothingLeft(db);
  });

  it("a killed run that waited for the lock leaves nothing behind and does not disturb the holder [G3]", async () => {
    const project = await slowProject(`${PATIENT};`);
    const holding = (await openMigrator(db, join(project, "migrations"))).up();
    await until(isRunning("DO $$"), "the slow statement");
    const waiter = startCommand(project, ["up"], environmentOf(db.connection));
    await until(() => waiter.output().includes("for another run"), "the command to wait");
    waiter.send("SIGKILL");
    await waiter.ended;
    await db.query("DELETE FROM fault.slow");
    expect((await holding).completed).toHaveLength(2);
    expect(await appliedNames(db)).toEqual(["1_a", "2_slow"]);
    await expectNothingLeft(db);
  });
});

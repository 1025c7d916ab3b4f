import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";
import { hitting, throughProxy } from "./faulty-run.ts";
import type { Request } from "./proxy.ts";
import { empty } from "./state.ts";

/** What plain node-pg-migrate leaves behind. */
const TAKEN_OVER = `CREATE TABLE pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);
  INSERT INTO pgmigrations (name, run_on) VALUES ('1_a', now()); CREATE TABLE a ()`;
const FILES = { "1_a.sql": "-- Up Migration\nCREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;" };

describe("a connection that breaks while a database of node-pg-migrate is taken over", () => {
  let db: TestDatabase;
  let dir: string;
  beforeAll(async () => {
    db = await createDatabase();
    dir = writeFolder(FILES);
  });
  afterAll(() => db.drop());

  /** Breaks the n-th request of the first run, then runs again. @returns the request */
  async function adoptTwice(n: number): Promise<Request | undefined> {
    await empty(db);
    await db.query(TAKEN_OVER);
    const { decide, hit } = hitting(n, () => "cut");
    await throughProxy({ db, dir, decide }, (run) => run);
    await (await openMigrator(db, dir)).up();
    return hit();
  }

  it("after a connection broke at any request, what was applied is unchanged, and the second run records the digests [G24]", async () => {
    for (let n = 1; (await adoptTwice(n)) !== undefined; n += 1) {
      expect((await (await openMigrator(db, dir)).status()).counts).toMatchObject({ applied: 1, pending: 0 });
      expect(await db.query("SELECT name FROM pgmigrations")).toEqual([{ name: "1_a" }]);
      const rows = await db.query(
        "SELECT migration, action FROM pgmigrations_history WHERE sql_digest IS NOT NULL",
      );
      expect(rows).toEqual([{ migration: "1_a", action: "baseline" }]);
    }
  });
});

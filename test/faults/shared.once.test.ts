import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, openMigrator, userTables } from "../support/migrator.ts";
import { type Fault, hitting, throughProxy, typed } from "./faulty-run.ts";
import type { Fate } from "./proxy.ts";
import { empty, expectConsistentHistory, expectNothingLeft } from "./state.ts";
import { until } from "./until.ts";

/** Two groups that share a transaction each, one migration between them that does not. */
const NINE = Object.fromEntries(
  Array.from({ length: 9 }, (_, index) => [
    `${index + 1}_t.sql`,
    `CREATE TABLE t${index + 1} (n int);${index === 4 ? " INSERT INTO t5 VALUES (1);" : ""}`,
  ]),
);
const NAMES = Object.keys(NINE).map((file) => file.slice(0, 3));
const GROUPS = [4, 5, 9];

const killed =
  (db: TestDatabase): Fault =>
  async ({ pid }): Promise<Fate> => {
    await db.query("SELECT pg_terminate_backend($1)", [pid]);
    const gone = async () =>
      (await db.query("SELECT FROM pg_stat_activity WHERE pid = $1", [pid])).length === 0;
    await until(gone, "the backend to go");
    return "pass";
  };

/** A first run with the fault at its n-th request. @returns false when it has no such request */
async function faultAt(db: TestDatabase, dir: string, n: number, fault: Fault): Promise<boolean> {
  await empty(db);
  const { decide, hit } = hitting(n, fault);
  const error = await throughProxy({ db, dir, decide }, (run) => run);
  if (hit() === undefined) return false;
  await expectNothingLeft(db);
  const applied = await recorded(db);
  expect(await userTables(db)).toEqual(applied.map((name) => `t${name[0]}`));
  expect(applied).toEqual(NAMES.slice(0, applied.length));
  expect([0, ...GROUPS]).toContain(applied.length);
  if (error === undefined) return true;
  const { applied: claimed = [], inDoubt = [] } = typed(error).details;
  expect(applied.slice(0, claimed.length)).toEqual(claimed);
  expect([0, ...GROUPS]).toContain(claimed.length);
  // What is there and not claimed is said to be in doubt.
  if (applied.length > claimed.length) expect(inDoubt).toEqual(applied.slice(claimed.length));
  return true;
}

async function recorded(db: TestDatabase): Promise<string[]> {
  const [row] = await db.query<{ made: boolean }>("SELECT to_regclass('pgmigrations') IS NOT NULL AS made");
  return row?.made ? appliedNames(db) : [];
}

describe("migrations that share a transaction", () => {
  it.each<[string, (db: TestDatabase) => Fault]>([
    ["a connection that breaks before a request", () => () => "cut"],
    ["a connection that breaks before the answer", () => () => "lose-answer"],
    ["pg_terminate_backend", killed],
  ])(
    "%s, at any: they are there all together with their records, or none is; a second run does the rest [G31]",
    (_, faultFor) =>
      withDatabase(async (db) => {
        const dir = writeFolder(NINE);
        let n = 1;
        while (await faultAt(db, dir, n, faultFor(db))) {
          await (await openMigrator(db, dir)).up();
          expect(await appliedNames(db)).toEqual(NAMES);
          expect(await userTables(db)).toEqual(NAMES.map((name) => `t${name[0]}`));
          await expectConsistentHistory(db);
          n += 1;
        }
        expect(n).toBeGreaterThan(8);
      }),
    60_000,
  );
});

import { expect, it } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";
import { startSlowReplica } from "./replica.ts";

const ROWS = "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT generate_series(1, 400);";
const fill = (maxLag: string) => `-- migrate: backfill
-- batch: 20
-- max-lag: ${maxLag}
UPDATE t SET a = 1 FROM pg_sleep(0.15) WHERE a IS NULL AND :batch;`;

it.each([
  ["waits while a replica is further behind than max-lag", "500 ms", true],
  ["does not wait for a replica that is less behind than max-lag", "1 min", false],
  ["does not look at replicas with max-lag 0", "0", false],
])("a backfill %s", (_, maxLag, waits) =>
  withDatabase(async (db) => {
    const migrator = await openMigrator(db, writeFolder({ "1_t.sql": ROWS, "2_fill.sql": fill(maxLag) }));
    await migrator.up({ count: 1 });
    const replica = await startSlowReplica(db, 1_500);
    // The replica is caught up in time: the backfill goes on.
    await migrator.up().finally(() => replica.close());
    const reasons = migrator.events.flatMap((event) => (event.type === "backfill" ? [event.waitsFor] : []));
    const behind = expect.stringMatching(/^a replica that is \d+ s behind$/);
    expect(reasons.length).toBeGreaterThan(0);
    expect(reasons.some((reason) => reason !== null)).toBe(waits);
    if (waits) expect(reasons).toContainEqual(behind);
    expect(await db.query("SELECT id FROM t WHERE a IS NULL")).toEqual([]);
  }),
);

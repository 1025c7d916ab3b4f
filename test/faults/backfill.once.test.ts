import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
import { chosenCases } from "../support/postgres.ts";
import { type Fault, hitting, throughProxy } from "./faulty-run.ts";
import { type Request, startProxy } from "./proxy.ts";
import { expectNothingLeft } from "./state.ts";
import { until } from "./until.ts";
import { BACKFILL, startWriter, wrongRows } from "./work.ts";

describe("a backfill that is interrupted while others write its table", () => {
  const dir = writeFolder(BACKFILL);
  let db: TestDatabase;
  let requests: readonly Request[];

  beforeAll(async () => {
    db = await createDatabase();
    const proxy = await startProxy(db.connection, () => "pass");
    await (await openMigrator(db, dir)).up({ count: 1 });
    await (await openMigrator(db, dir, {}, { connection: proxy.connection })).up();
    requests = [...proxy.requests];
    await proxy.close();
  });
  afterAll(() => db.drop());

  async function expectRecovery(): Promise<void> {
    await (await openMigrator(db, dir)).up();
    expect(await wrongRows(db)).toEqual([]);
    expect(await appliedNames(db)).toEqual(["1_work", "2_fill"]);
    const [history] = await db.query(
      "SELECT (progress->>'written')::int AS written FROM pgmigrations_history WHERE migration = '2_fill' AND state = 'finished'",
    );
    expect(history).toEqual({ written: 240 });
    await expectNothingLeft(db);
  }

  async function reset(): Promise<void> {
    await db.query(
      "DELETE FROM pgmigrations WHERE name = '2_fill'; DELETE FROM pgmigrations_history WHERE migration = '2_fill'; DELETE FROM work WHERE id > 1000; UPDATE work SET b = NULL; UPDATE work SET fills = 0",
    );
  }

  const terminate: Fault = async ({ pid }) => {
    await db.query("SELECT pg_terminate_backend($1)", [pid]);
    return "pass" as const;
  };

  it.each<[string, Fault]>([
    ["is cut before the server has a request", () => "cut"],
    ["is cut before the server's answer", () => "lose-answer"],
    ["is ended by the server", terminate],
  ])(
    "after its connection %s, at any request, the next run writes each row that is left, and no other [G50]",
    async (_, fault) => {
      const batches = requests.filter(({ text }) => /work|2_fill/.test(text));
      expect(batches.length).toBeGreaterThan(18);
      for (const { n } of chosenCases(batches, 7)) {
        await reset();
        const { decide, hit } = hitting(n, fault);
        const writer = await startWriter(db);
        await throughProxy({ db, dir, decide }, (run) => run);
        expect(hit()?.n).toBe(n);
        await expectRecovery();
        expect(await writer.stop()).toBeGreaterThan(0);
      }
    },
  );

  it("after a cancel in the middle of a batch, the next run writes each row that is left, and no other [G50]", async () => {
    await reset();
    const stop = new AbortController();
    const holder = await db.client();
    await holder.query("BEGIN; SELECT FROM work WHERE id = 500 FOR UPDATE");
    const migrator = await openMigrator(db, dir, {}, { signal: stop.signal });
    const failed = failureOf(migrator.up());
    // Locks of all databases are in `pg_locks`, and those of other test files in it too.
    const waiting =
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    await until(async () => (await db.query(waiting)).length > 0, "a batch that waits");
    stop.abort();
    expect(await failed).toMatchObject({ code: "CANCELLED", details: { remaining: ["2_fill"] } });
    await holder.query("ROLLBACK");
    await expectRecovery();
  });

  it("while another session holds one of its rows, a batch gives its own back and is tried again with fewer [G50]", async () => {
    await reset();
    const holder = await db.client();
    await holder.query("BEGIN; SELECT FROM work WHERE id = 500 FOR UPDATE");
    const migrator = await openMigrator(db, dir, { lockRetryDelayMs: 50 });
    const run = migrator.up();
    await until(() => migrator.events.some(({ type }) => type === "retry"), "a retry");
    expect(await db.query("SELECT id FROM work WHERE id = 496 FOR UPDATE NOWAIT")).toHaveLength(1);
    await holder.query("ROLLBACK");
    await run;
    await expectRecovery();
  });

  it("two runs at once do one after the other's work, and each row is written once [G50]", async () => {
    await reset();
    const runs = [await openMigrator(db, dir), await openMigrator(db, dir)];
    await Promise.all(runs.map((migrator) => migrator.up()));
    await expectRecovery();
  });
});

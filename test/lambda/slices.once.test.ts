import { describe, expect, it } from "@jest/globals";
import { parseOperateRequest } from "../../lambda/operate/answer.ts";
import { runSlice, type Slice, type SliceResult } from "../../lambda/operate/slice.ts";
import { type CompletedMigration, MIGRATION_LOCK_ID, MigrationError } from "../../lib/core/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, openMigrator } from "../support/migrator.ts";

const sql = (table: string) => `CREATE TABLE ${table} ();\n-- Down Migration\nDROP TABLE ${table};`;
const FIVE = Object.fromEntries(["a", "b", "c", "d", "e"].map((t, n) => [`${n + 1}_${t}.sql`, sql(t)]));
const NAMES = ["1_a", "2_b", "3_c", "4_d", "5_e"];

type Input = { readonly command: string } & Readonly<Record<string, unknown>>;

/** Runs one slice, whose time is up after so many migrations. */
async function slice(
  db: TestDatabase,
  dir: string,
  { slice, input }: Slice,
  migrations: number | "when it builds an index" = Number.POSITIVE_INFINITY,
  lockWaitMs?: number,
): Promise<SliceResult> {
  const stop = new AbortController();
  const timeIsUp = () => stop.abort(new MigrationError("DEADLINE", "time is up"));
  if (migrations === 0) timeIsUp();
  const completed: CompletedMigration[] = [];
  const migrator = await openMigrator(
    db,
    dir,
    { lockWaitMs: 0 },
    {
      signal: stop.signal,
      observe: (event) => {
        if (event.type === "progress" && migrations === "when it builds an index") timeIsUp();
        if (event.type !== "finished") return;
        const { migration, direction, durationMs } = event;
        completed.push({ migration, direction, durationMs });
        if (completed.length === migrations) timeIsUp();
      },
    },
  );
  const payload = { confirm: "app", ...input };
  const request = parseOperateRequest(payload, { database: "app", allowDown: true });
  const part = { slice, request, invocation: { completed }, lockWaitMs };
  return runSlice(part, (work) => work(migrator));
}

const begin = (input: object): Slice => ({ slice: { execution: "e" }, input });

function next(result: SliceResult, command: string): Slice {
  if (result.outcome !== "continue") throw new Error(`it is ${JSON.stringify(result)}`);
  const { slice, input } = result.next;
  return { slice, input: { ...input, command } };
}

interface Execution {
  readonly result: SliceResult;
  readonly slices: number;
}

/** Runs slices of one migration to the end. @param times how often each is run, as if its answer was lost before */
async function execute(db: TestDatabase, dir: string, input: Input, times = 1): Promise<Execution> {
  let payload = begin(input);
  for (let slices = 1; ; slices += 1) {
    for (let lost = 1; lost < times; lost += 1) await slice(db, dir, payload, 1);
    const result = await slice(db, dir, payload, 1);
    if (result.outcome !== "continue") return { result, slices };
    payload = next(result, input.command);
  }
}

const withApplied = (names: readonly string[], work: (db: TestDatabase, dir: string) => Promise<void>) =>
  withDatabase(async (db) => {
    const dir = writeFolder(FIVE);
    const to = names.at(-1);
    if (to !== undefined) await (await openMigrator(db, dir)).up({ to });
    await work(db, dir);
  });

const CASES: readonly (readonly [
  input: Input,
  before: readonly string[],
  after: readonly string[],
  completed: readonly string[],
])[] = [
  [{ command: "up" }, [], NAMES, NAMES],
  [{ command: "up", count: 3 }, ["1_a"], NAMES.slice(0, 4), ["2_b", "3_c", "4_d"]],
  [{ command: "up", count: 9 }, ["1_a", "2_b"], NAMES, ["3_c", "4_d", "5_e"]],
  [{ command: "up", count: 3, fake: true }, [], NAMES.slice(0, 3), ["1_a", "2_b", "3_c"]],
  [{ command: "up", to: "3_c" }, [], NAMES.slice(0, 3), ["1_a", "2_b", "3_c"]],
  [{ command: "down" }, NAMES, NAMES.slice(0, 4), ["5_e"]],
  [{ command: "down", count: 3 }, NAMES, ["1_a", "2_b"], ["5_e", "4_d", "3_c"]],
  [{ command: "down", count: 5 }, NAMES, [], NAMES.toReversed()],
  [{ command: "down", count: 3, fake: true }, NAMES, ["1_a", "2_b"], ["5_e", "4_d", "3_c"]],
  [{ command: "down", to: "2_b" }, NAMES, ["1_a", "2_b"], ["5_e", "4_d", "3_c"]],
  [{ command: "down", batch: true }, NAMES, [], NAMES.toReversed()],
  [{ command: "redo", count: 2 }, NAMES, NAMES, ["5_e", "4_d", "4_d", "5_e"]],
];

const isPinned = ({ command, count }: Input) => command !== "up" || count !== undefined;

describe("a request in slices of one migration each", () => {
  it.each(CASES)("%j does what it would do at once", (input, before, after, completed) =>
    withApplied(before, async (db, dir) => {
      const { result, slices } = await execute(db, dir, input);
      expect(result).toMatchObject({
        outcome: "done",
        report: { head: after.at(-1) ?? null, completed: completed.map((migration) => ({ migration })) },
      });
      expect(slices).toBe(completed.length + (isPinned(input) ? 1 : 0));
      expect(await appliedNames(db)).toEqual(after);
    }),
  );

  it.each(CASES)("%j does no more although each slice is repeated [G90]", (input, before, after) =>
    withApplied(before, async (db, dir) => {
      expect((await execute(db, dir, input, 2)).result).toMatchObject({ outcome: "done" });
      expect(await appliedNames(db)).toEqual(after);
    }),
  );

  it("down by a count takes the same migrations in two executions that began at the same time", () =>
    withApplied(NAMES, async (db, dir) => {
      const input = { command: "down", count: 2 };
      const began = [await slice(db, dir, begin(input)), await slice(db, dir, begin(input))];
      for (const one of began) {
        expect(await slice(db, dir, next(one, "down"))).toMatchObject({ outcome: "done" });
      }
      expect(await appliedNames(db)).toEqual(NAMES.slice(0, 3));
    }));

  it("down stops when another run has applied a migration since it began", () =>
    withApplied(NAMES.slice(0, 4), async (db, dir) => {
      const began = await slice(db, dir, begin({ command: "down", count: 2 }));
      await (await openMigrator(db, dir)).up();
      expect(await slice(db, dir, next(began, "down"))).toMatchObject({
        outcome: "failed",
        error: { code: "PLAN_DIFFERS", message: "applied since this run began: 5_e" },
      });
      expect(await appliedNames(db)).toEqual(NAMES);
    }));

  it("a failure names what earlier slices of the execution have done", () =>
    withApplied([], async (db, dir) => {
      addFiles(dir, { "3_c.sql": "SELECT 1/0" });
      const { result } = await execute(db, dir, { command: "up" });
      expect(result).toMatchObject({
        outcome: "failed",
        error: { code: "SQL", details: { migration: "3_c", applied: ["1_a", "2_b"] } },
      });
    }));

  it.each(["up", "down"] as const)("%s is held to its approved plan in every slice", (command) =>
    withApplied(command === "up" ? [] : NAMES, async (db, dir) => {
      const migrator = await openMigrator(db, dir);
      const { digest: plan } = await (command === "up"
        ? migrator.planUp({ count: 3 })
        : migrator.planDown({ count: 3 }));
      const { result, slices } = await execute(db, dir, { command, count: 3, plan }, 2);
      expect(result).toMatchObject({ outcome: "done" });
      expect(slices).toBeGreaterThan(2);
      expect(await appliedNames(db)).toEqual(NAMES.slice(0, command === "up" ? 3 : 2));
    }),
  );

  it("down stops before it runs other SQL than the approved plan has", () =>
    withApplied(NAMES, async (db, dir) => {
      const { digest: plan } = await (await openMigrator(db, dir)).planDown({ count: 3, from: "file" });
      const began = await slice(db, dir, begin({ command: "down", count: 3, from: "file", plan }));
      const cut = await slice(db, dir, next(began, "down"), 1);
      addFiles(dir, { "4_d.sql": `${sql("d")} SELECT 1;` });
      expect(await slice(db, dir, next(cut, "down"))).toMatchObject({
        outcome: "failed",
        error: { code: "PLAN_DIFFERS" },
      });
      const forged = structuredClone(next(cut, "down"));
      Object.assign(Object(forged.slice.rest).approved.steps[1], { digest: "0".repeat(64) });
      expect(await slice(db, dir, forged)).toMatchObject({
        outcome: "failed",
        error: { code: "PLAN_DIFFERS" },
      });
      expect(await appliedNames(db)).toEqual(NAMES.slice(0, 4));
    }));

  it("a redo of an approved plan that is cut fails, says how to go on, and names what it has undone", () =>
    withApplied(NAMES, async (db, dir) => {
      const { digest: plan } = await (await openMigrator(db, dir)).planRedo({ count: 2 });
      const { result } = await execute(db, dir, { command: "redo", count: 2, plan });
      expect(result).toMatchObject({
        outcome: "failed",
        error: { code: "DEADLINE", details: { undone: ["5_e"] } },
      });
      expect(String(Object(result).error.details.hint)).toMatch(/have one of `up` approved/);
    }));
});

describe("a redo in slices", () => {
  it("does not undo again what the server goes on with", () =>
    withDatabase(async (db) => {
      const index =
        "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n-- Down Migration\nDROP INDEX a_id;";
      const dir = writeFolder({ "1_a.sql": "CREATE TABLE a (id int);", "2_index.sql": index });
      await (await openMigrator(db, dir)).up();
      const began = await slice(db, dir, begin({ command: "redo" }));
      const reader = await db.client();
      await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
      const cut = await slice(db, dir, next(began, "redo"), "when it builds an index");
      expect(cut).toMatchObject({ next: { slice: { rest: { undo: [] }, background: true } } });
      await reader.query("ROLLBACK");
      const oid = "SELECT 'a_id'::regclass::oid AS oid";
      const built = await db.query(oid);
      let result = await slice(db, dir, next(cut, "redo"));
      while (result.outcome === "continue") result = await slice(db, dir, next(result, "redo"));
      expect(result).toMatchObject({ outcome: "done", report: { head: "2_index" } });
      expect(await db.query(oid)).toEqual(built);
    }));
});

describe("a slice", () => {
  it("that does nothing in its time is the last one", () =>
    withApplied(NAMES.slice(0, 4), async (db, dir) => {
      expect(await slice(db, dir, begin({ command: "up" }), 0)).toMatchObject({
        outcome: "failed",
        error: { code: "DEADLINE" },
      });
    }));

  it("is the last one when another run holds the lock for longer than lockWait says, unless that does what was left to it", () =>
    withApplied(NAMES.slice(0, 4), async (db, dir) => {
      const holder = await db.client();
      await holder.query(`SELECT pg_advisory_lock(${MIGRATION_LOCK_ID})`);
      const { input } = begin({ command: "up" });
      const at = { execution: "e", number: 2 };
      expect(await slice(db, dir, { slice: at, input }, 1, 0)).toMatchObject({
        outcome: "failed",
        error: { code: "LOCK_HELD" },
      });
      const waiting = { slice: { ...at, background: true }, input };
      expect(await slice(db, dir, waiting, 1, 0)).toMatchObject({
        outcome: "continue",
        next: { slice: { background: true } },
      });
    }));

  it("is followed by another one after a while, longer each time, as long as another run holds the lock", () =>
    withApplied(NAMES.slice(0, 4), async (db, dir) => {
      const holder = await db.client();
      await holder.query(`SELECT pg_advisory_lock(${MIGRATION_LOCK_ID})`);
      const waits: unknown[] = [];
      let payload = begin({ command: "up" });
      for (let slices = 0; slices < 7; slices += 1) {
        const result = await slice(db, dir, payload);
        waits.push(Reflect.get(result, "waitSeconds"));
        payload = next(result, "up");
      }
      expect(waits).toEqual([15, 30, 60, 120, 240, 300, 300]);
      await holder.query("SELECT pg_advisory_unlock_all()");
      expect(await slice(db, dir, payload)).toMatchObject({ outcome: "done" });
    }));
});

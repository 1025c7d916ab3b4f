import { dirname, join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { startLocal } from "../../lib/embedded/index.ts";
import { isAlive } from "../../lib/embedded/postmaster.ts";
import { environmentOf, type RunningCommand, startCommand, writeProject } from "../cli/command.ts";
import { alone, indexes } from "../engine/concurrent.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { ask, withProjects } from "../support/launcher.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";
import { BUILD, builders, inTime, partialOf, SHORT, TABLE, withStage } from "./background.ts";
import { startProxy } from "./proxy.ts";
import { until } from "./until.ts";

/** An index whose build takes three seconds, so that transactions can begin while it runs. */
const SLOW = {
  "1_a.sql": `CREATE TABLE a (i int); INSERT INTO a SELECT generate_series(1, 300);
    CREATE FUNCTION slow(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN i; END $$;`,
  "2_b.sql": alone("CREATE INDEX CONCURRENTLY a_i ON a (slow(i))", "INSERT INTO a VALUES (0)"),
};
const WRITE = "BEGIN; INSERT INTO a VALUES (1000)";
const READ = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1";

/** The phases of a build, and what another session does before it and in its course to keep it there. */
const PHASES: readonly [phase: string, before: string, meanwhile: string][] = [
  ["waiting for writers before build", WRITE, ""],
  ["building index: scanning table", "", ""],
  ["waiting for writers before validation", "", WRITE],
  ["waiting for old snapshots", READ, ""],
];

const phaseIn = async (db: TestDatabase): Promise<string | undefined> =>
  (
    await db.query<{ phase: string }>(
      "SELECT phase FROM pg_stat_progress_create_index WHERE datname = current_database()",
    )
  )[0]?.phase;

/** Starts `up` in a process of its own, and kills it when the build is in this phase. */
async function killIn(
  phase: string,
  meanwhile: () => Promise<unknown>,
  start: () => RunningCommand,
  db: TestDatabase,
) {
  const command = start();
  await until(async () => (await phaseIn(db)) !== undefined, "the build to begin");
  await meanwhile();
  await until(async () => (await phaseIn(db)) === phase, phase);
  command.send("SIGKILL");
  await command.ended;
}

describe("an index build that loses its run", () => {
  it.each(PHASES)(
    "kill -9 in the phase %s leaves the build to the server, and two later runs do the rest once [G60]",
    (phase, before, meanwhile) =>
      withDatabase(async (db) => {
        const project = writeProject({ "1_a.sql": SLOW["1_a.sql"] });
        const dir = join(project, "migrations");
        await (await openMigrator(db, dir)).up();
        addFiles(dir, { "2_b.sql": SLOW["2_b.sql"] });
        const other = await db.client();
        if (before !== "") await other.query(before);
        const start = () => startCommand(dirname(dir), ["up"], environmentOf(db.connection));
        await killIn(phase, async () => meanwhile && other.query(meanwhile), start, db);
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        expect(await partialOf({ db, dir, reader: other })).toMatchObject({
          statement: 0,
          background: { running: true },
        });
        const [lock] = await db.query("SELECT pg_try_advisory_lock(7241865325823964) AS free");
        expect(lock).toEqual({ free: false });
        const later = Promise.all([1, 2].map(async () => (await openMigrator(db, dir)).up()));
        await other.query("ROLLBACK");
        await later;
        expect(await indexes(db)).toEqual({ a_i: true });
        expect(await db.query("SELECT i FROM a WHERE i < 1")).toEqual([{ i: 0 }]);
        expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
      }),
  );

  it("after kill -9 with onDeadline fail, the server cancels the build, and a person resolves it", () =>
    withDatabase(async (db) => {
      const project = writeProject({ "1_a.sql": SLOW["1_a.sql"], "2_b.sql": SLOW["2_b.sql"] });
      const reader = await db.client();
      await reader.query(READ);
      const flags = ["up", "--on-deadline", "fail"];
      const start = () => startCommand(project, flags, environmentOf(db.connection));
      await killIn("waiting for old snapshots", async () => undefined, start, db);
      await until(async () => (await builders(db)).length === 0, "the server to notice");
      expect(await indexes(db)).toEqual({ a_i: false });
      const dir = join(project, "migrations");
      expect(await failureOf((await openMigrator(db, dir)).up())).toMatchObject({ code: "PARTIAL" });
    }));

  it("a build whose network is cut goes on, and the next run records it [G60]", () =>
    withStage(BUILD, async ({ db, dir, reader }) => {
      const proxy = await startProxy(db.connection, () => "pass");
      const failing = failureOf((await openMigrator(db, dir, {}, { connection: proxy.connection })).up());
      await until(async () => (await phaseIn(db)) === "waiting for old snapshots", "the build to wait");
      await proxy.close();
      expect(await failing).toMatchObject({ code: "CONNECTION" });
      await reader.query("ROLLBACK");
      const next = await openMigrator(db, dir);
      await next.up();
      expect(next.events.map(({ type }) => type)).toContain("settled");
      expect(await indexes(db)).toEqual({ a_i: true, a_old: true });
    }));

  it("Ctrl-C cancels a build, and leaves nothing to the server", () =>
    withStage(BUILD, async ({ db, dir }) => {
      const stop = new AbortController();
      const failing = failureOf((await openMigrator(db, dir, {}, { signal: stop.signal })).up());
      await until(async () => (await phaseIn(db)) === "waiting for old snapshots", "the build to wait");
      stop.abort("SIGINT");
      expect(await failing).toMatchObject({ code: "CANCELLED", details: { partial: 0 } });
      expect(await builders(db)).toEqual([]);
    }));

  it("a build that a restart of the server has ended is repeated by the next run [G60]", () =>
    withProjects(1, async (projectDir) => {
      const local = await startLocal({ projectDir });
      const address = { connection: { ...local.connection, tls: { mode: "disable" as const } } };
      const dir = writeFolder(TABLE);
      await (await openMigrator(address, dir)).up();
      addFiles(dir, { ...BUILD, "3_c.sql": "CREATE TABLE c ();" });
      const statusBefore = await openMigrator(address, dir, {}, inTime(SHORT));
      const holding = ask(local, "SELECT pg_sleep(60) FROM a LIMIT 1").catch(() => undefined);
      await until(
        async () =>
          (await ask(local, "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'")).length > 0,
        "the reader",
      );
      expect(await failureOf(statusBefore.up())).toMatchObject({
        code: "DEADLINE",
        details: { background: {} },
      });
      process.kill(local.pid, "SIGKILL");
      await until(() => !isAlive(local.pid), "the server to be gone");
      await holding;
      const again = await startLocal({ projectDir });
      const next = { connection: { ...again.connection, tls: { mode: "disable" as const } } };
      expect((await (await openMigrator(next, dir)).up()).completed).toHaveLength(2);
      const valid =
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'a'::regclass ORDER BY 1";
      expect(await ask(again, valid)).toEqual([
        ["a_i", true],
        ["a_old", true],
      ]);
    }));
});

import { spawn, spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import pg from "pg";
import type { Finding, MigratorOptions } from "../../lib/core/index.ts";
import { type LocalServer, startLocal } from "../../lib/embedded/index.ts";
import { until } from "../faults/until.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { ask, withProjects } from "../support/launcher.ts";
import { openMigrator } from "../support/migrator.ts";
import { MAJORS, packageOf } from "../support/postgres.ts";
import { findProgram } from "../support/programs.ts";
import { startStandby } from "../support/standby.ts";

/** A server of the test's own: what stands in the way here would be seen by the tests of all its databases. */
function withServer(
  settings: Readonly<Record<string, string>>,
  test: (server: LocalServer) => Promise<void>,
  major = 17,
) {
  return withProjects(1, async (projectDir) => {
    const serverSettings = { fsync: "off", autovacuum: "off", ...settings };
    await test(await startLocal({ projectDir, serverSettings, packageName: packageOf(major) }));
  });
}

const ORDERS = { "1_orders.sql": "CREATE TABLE orders (id int);" };

/** What is found for a pending migration with this SQL, or of TypeScript with this code. */
async function findingsOf(
  server: Pick<LocalServer, "connection">,
  file: Readonly<Record<string, string>>,
  options: MigratorOptions = {},
): Promise<readonly Finding[]> {
  const dir = writeFolder(ORDERS);
  await (await openMigrator(server, dir, { preflight: "off" })).up();
  addFiles(dir, file);
  return (await (await openMigrator(server, dir, options)).planUp()).warnings;
}

const OTHER = { "2_other.sql": "CREATE TABLE other ();" };

describe("the pre-flight check on a server with replicas", () => {
  it("a replica that is further behind than the limit is named", () =>
    withServer({}, async (server) => {
      const standby = await startStandby(server, { recovery_min_apply_delay: "2s" });
      try {
        const lag = "SELECT extract(epoch FROM replay_lag)::float8 FROM pg_stat_replication";
        expect(await findingsOf(server, OTHER)).toEqual([]);
        await until(async () => {
          await ask(server, "SELECT pg_current_xact_id()");
          await sleep(100);
          return Number((await ask(server, lag))[0]?.[0]) > 1.5;
        }, "the replica to be behind");
        const findings = await findingsOf(server, OTHER, { replicaLagMs: 1000 });
        expect(findings).toMatchObject([
          {
            code: "PREFLIGHT",
            check: "replica-lag",
            message: expect.stringMatching(
              /^replica "standby" \(127\.0\.0\.1\) is behind: [\d.]+ s, [\d.]+ k?B; pid \d+$/,
            ),
          },
        ]);
        expect(await findingsOf(server, OTHER)).toEqual([]);
      } finally {
        await standby.stop();
      }
    }));

  it("a plan on a standby can be made, and warns of nothing", () =>
    withServer({}, async (server) => {
      await (await openMigrator(server, writeFolder(ORDERS))).up();
      const standby = await startStandby(server, {});
      try {
        await until(
          async () => (await ask(standby, "SELECT to_regclass('orders')"))[0]?.[0] !== null,
          "the table",
        );
        const { steps, warnings } = await (
          await openMigrator(standby, writeFolder({ ...ORDERS, ...OTHER }))
        ).planUp();
        expect([steps.length, warnings]).toEqual([1, []]);
      } finally {
        await standby.stop();
      }
    }));

  it("a replication slot that keeps WAL and that nobody reads is named, one that keeps none is not", () =>
    withServer({}, async (server) => {
      await ask(server, "SELECT pg_create_physical_replication_slot('fresh')");
      expect(await findingsOf(server, OTHER)).toEqual([]);
      await ask(server, "SELECT pg_create_physical_replication_slot('left', true)");
      expect(await findingsOf(server, OTHER)).toMatchObject([
        {
          check: "replication-slot",
          message: expect.stringMatching(/^nobody reads replication slot 'left': .+ of WAL are kept for it$/),
          hint: expect.stringContaining("SELECT pg_drop_replication_slot('left');"),
        },
      ]);
      await ask(server, "SELECT pg_drop_replication_slot('left')");
      expect(await findingsOf(server, OTHER)).toEqual([]);
    }));
});

/** A server on which an autovacuum to prevent wraparound works on `orders` and does not end. */
function withVacuum(test: (server: LocalServer) => Promise<void>) {
  return withServer({ autovacuum: "on", autovacuum_naptime: "1s" }, async (server) => {
    await ask(
      server,
      `CREATE TABLE orders (id int) WITH (autovacuum_freeze_max_age = 100000, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)`,
    );
    await ask(server, "INSERT INTO orders SELECT generate_series(1, 200000)");
    await ask(server, "CREATE TABLE lines (id int)");
    await ask(
      server,
      "DO $$ BEGIN FOR n IN 1..110000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$",
    );
    const works =
      "SELECT FROM pg_stat_progress_vacuum WHERE relid = 'orders'::regclass AND heap_blks_scanned > 0";
    await until(async () => (await ask(server, works)).length > 0, "the autovacuum");
    await test(server);
  });
}

describe("an autovacuum to prevent wraparound", () => {
  const pending = async (server: LocalServer, file: Readonly<Record<string, string>>) => {
    const migrator = await openMigrator(server, writeFolder(file));
    return (await migrator.planUp()).warnings;
  };

  it("an autovacuum to prevent wraparound is named where the run changes its table or may change it, and nowhere else", () =>
    withVacuum(async (server) => {
      await (await openMigrator(server, writeFolder({}))).baseline();
      const named = await pending(server, { "1_note.sql": "ALTER TABLE orders ADD note text;" });
      expect(named).toMatchObject([{ check: "wraparound-vacuum", migrations: ["1_note"] }]);
      expect(named[0]?.message).toMatch(
        /^an autovacuum to prevent wraparound works on public\.orders, which 1_note names: .*pid \d+.*running: autovacuum: VACUUM(?: ANALYZE)? public\.orders \(to prevent wraparound\)$/,
      );
      const code = {
        "1_code.sql": "DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD x int', 'l' || 'ines'); END $$;",
      };
      expect((await pending(server, code))[0]?.message).toContain(
        "works on public.orders, which 1_code may change: ",
      );
      expect(await pending(server, { "1_other.sql": "ALTER TABLE lines ADD note text;" })).toEqual([]);
    }));
});

const DUMP = findProgram(["pg_dump"]);
const DUMP_MAJOR =
  DUMP === undefined ? 0 : Number(/ (\d+)/.exec(String(spawnSync(DUMP, ["--version"]).stdout))?.[1]);
/** The newest server that it dumps. */
const MAJOR = MAJORS.findLast((major) => major <= DUMP_MAJOR);
const isLeftOut = MAJOR === undefined && !process.env["CI"];

(isLeftOut ? describe.skip : describe)("pg_dump", () => {
  it("pg_dump is named while it runs", () =>
    withServer(
      {},
      async (server) => {
        const { host, port, user, password, database } = server.connection;
        await ask(server, "CREATE TABLE held ()");
        const holder = new pg.Client({ host, port, user, password, database, ssl: false });
        await holder.connect();
        // It waits for this lock with its snapshot taken.
        await holder.query("BEGIN; LOCK TABLE held");
        const dump = spawn(
          DUMP ?? "pg_dump",
          ["-h", host, "-p", String(port), "-U", user, "-d", database, "-f", "/dev/null"],
          {
            env: { PGPASSWORD: password },
            stdio: "ignore",
          },
        );
        const ended = new Promise((resolve) => dump.once("close", resolve));
        try {
          const waits =
            "SELECT FROM pg_stat_activity WHERE application_name = 'pg_dump' AND wait_event_type = 'Lock'";
          await until(async () => (await ask(server, waits)).length > 0, "the dump");
          await (await openMigrator(server, writeFolder({}))).baseline();
          const migrator = await openMigrator(server, writeFolder(OTHER));
          expect((await migrator.planUp()).warnings).toMatchObject([
            {
              check: "dump",
              message: expect.stringMatching(
                /^a dump of the database is running: "pg_dump", pid \d+, user \w+/,
              ),
            },
          ]);
        } finally {
          await holder.end();
          dump.kill();
          await ended;
        }
      },
      MAJOR,
    ));
});

describe("a pre-flight check that takes too long", () => {
  it("a pre-flight check that takes too long is given up, and the run goes on with a warning [G41]", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(OTHER);
      await db.query("SET allow_system_table_mods = on");
      await db.query(`CREATE OR REPLACE VIEW pg_catalog.pg_prepared_xacts AS
        SELECT '0'::xid AS transaction, pg_sleep(60)::text AS gid, 'epoch'::timestamptz AS prepared, ''::name AS owner, current_database() AS database`);
      const { warnings, completed } = await (await openMigrator(db, dir)).up();
      expect(completed).toHaveLength(1);
      expect(warnings).toMatchObject([
        {
          check: "failed",
          message:
            "the pre-flight check of indexes and prepared transactions failed: canceling statement due to statement timeout",
        },
      ]);
    }));
});

import { describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { Finding, MigratorOptions, RunReport } from "../../lib/core/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { waitFor } from "./locking.ts";

const ORDERS = { "1_orders.sql": "CREATE TABLE orders (id int, total int);" };
const CHANGE = { "2_change.sql": "ALTER TABLE orders ADD note text;" };
/** What changes no table that another session holds. */
const OTHER = { "2_other.sql": "CREATE TABLE other ();" };

interface Stage {
  readonly db: TestDatabase;
  readonly dir: string;
  /** A session beside the run. */
  readonly beside: pg.Client;
}

/** A database with a table, and pending migrations. */
function withOrders(files: Readonly<Record<string, string>>, play: (stage: Stage) => Promise<void>) {
  return withDatabase(async (db) => {
    const dir = writeFolder(ORDERS);
    await (await openMigrator(db, dir)).up();
    addFiles(dir, files);
    await play({ db, dir, beside: await db.client() });
  });
}

/** So short that every transaction of another session is old. */
const AT_ONCE = { oldTransactionMs: 0 } satisfies MigratorOptions;

async function findingsOf(
  { db, dir }: Stage,
  options: MigratorOptions = AT_ONCE,
): Promise<readonly Finding[]> {
  const { warnings } = await (await openMigrator(db, dir, options)).planUp();
  return warnings;
}

const checksIn = (findings: readonly Finding[]) => findings.map(({ check }) => check);

describe("the pre-flight check", () => {
  it("a quiet database is no reason for a warning", () =>
    withOrders(CHANGE, async (stage) => {
      expect(await findingsOf(stage)).toEqual([]);
      const { warnings } = await (await openMigrator(stage.db, stage.dir, AT_ONCE)).up();
      expect(warnings).toEqual([]);
    }));

  it("an idle transaction is named with its session and what it has locked of the tables that change", () =>
    withOrders(CHANGE, async (stage) => {
      await stage.beside.query("SET application_name = 'nightly report'");
      await stage.beside.query("BEGIN; SELECT count(*) FROM orders");
      const [finding, ...others] = await findingsOf(stage);
      expect(others).toEqual([]);
      expect(finding).toMatchObject({
        code: "PREFLIGHT",
        check: "old-transaction",
        migrations: ["2_change"],
        session: { application: "nightly report", state: "idle in transaction", migration: null },
      });
      expect(finding?.message).toMatch(
        /^an idle transaction has been open for long: "nightly report", pid \d+, user \w+.*, last ran: BEGIN; SELECT count\(\*\) FROM orders; it has locked public\.orders, which 2_change names$/,
      );
      expect(String(finding?.hint)).toContain(`SELECT pg_terminate_backend(${finding?.session?.pid});`);
    }));

  it("a transaction is no reason for a warning while it is young, or in another database", () =>
    withOrders(OTHER, async (stage) => {
      await stage.beside.query("BEGIN; SELECT 1");
      expect(await findingsOf(stage, {})).toEqual([]);
      await withDatabase(async (another) => {
        await stage.beside.query("ROLLBACK");
        await another.query("BEGIN; SELECT 1");
        expect(await findingsOf(stage)).toEqual([]);
      });
    }));

  it("a statement that runs is shown without its secrets", () =>
    withOrders(OTHER, async (stage) => {
      const running = stage.beside.query("SELECT pg_sleep(600) /* ALTER ROLE x PASSWORD 'hush' */");
      const secret = (await stage.db.client()).query(
        "BEGIN; CREATE ROLE nobody_x PASSWORD 'hush-hush'; SELECT pg_sleep(600)",
      );
      await waitFor(async () => (await findingsOf(stage)).length === 2);
      const findings = await findingsOf(stage);
      expect(checksIn(findings)).toEqual(["old-transaction", "old-transaction"]);
      expect(findings.map(({ message }) => message).join("\n")).toMatch(/^a transaction has .*, running: /m);
      expect(JSON.stringify(findings)).not.toContain("hush-hush");
      for (const { session } of findings)
        await stage.db.query("SELECT pg_terminate_backend($1)", [session?.pid]);
      await expect(running).rejects.toThrow();
      await expect(secret).rejects.toThrow();
    }));

  it("a prepared transaction is named once it is old", () =>
    withOrders(OTHER, async (stage) => {
      await stage.beside.query("BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION 'it''s left'");
      expect(await findingsOf(stage, {})).toEqual([]);
      const [finding, ...others] = await findingsOf(stage);
      expect(others).toEqual([]);
      expect(finding?.message).toMatch(
        /^a prepared transaction has been open for [\d.]+ s: 'it''s left', of user \w+$/,
      );
      expect(finding).toMatchObject({
        check: "prepared-transaction",
        hint: expect.stringContaining("ROLLBACK PREPARED 'it''s left';"),
      });
      await stage.db.query("ROLLBACK PREPARED 'it''s left'");
    }));

  it.each([
    ["by its name", "pg_dump", ["orders"], /^a dump of the database is running: "pg_dump", pid \d+/],
    [
      "by its locks",
      "copier",
      Array.from({ length: 20 }, (_, n) => `t${n}`),
      /^a transaction has locked many tables for reading, as a dump does: "copier"/,
    ],
  ])("a dump is found %s, whatever its age", (_, application, tables, message) =>
    withOrders(OTHER, async (stage) => {
      const missing = tables.filter((name) => name !== "orders");
      await stage.db.query(missing.map((name) => `CREATE TABLE ${name} ()`).join("; ") || "SELECT 1");
      await stage.beside.query("SELECT set_config('application_name', $1, false)", [application]);
      await stage.beside.query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
      await stage.beside.query(`LOCK TABLE ${tables.join(", ")} IN ACCESS SHARE MODE`);
      const findings = await findingsOf(stage, {});
      expect(findings).toMatchObject([{ check: "dump", message: expect.stringMatching(message) }]);
      await stage.beside.query("COMMIT");
      expect(await findingsOf(stage, {})).toEqual([]);
    }),
  );

  it("many partitions that one query reads are no dump", () =>
    withOrders(OTHER, async (stage) => {
      const parts = Array.from(
        { length: 30 },
        (_, n) => `CREATE TABLE p${n} PARTITION OF p FOR VALUES IN (${n})`,
      );
      await stage.db.query(["CREATE TABLE p (a int) PARTITION BY LIST (a)", ...parts].join("; "));
      await stage.beside.query("BEGIN; SELECT * FROM p");
      expect(await findingsOf(stage, {})).toEqual([]);
    }));

  it("a lock on a partition counts as one on the table that the migration names", () =>
    withOrders({ "2_p.sql": "ALTER TABLE p ADD b int;" }, async (stage) => {
      await stage.db.query(
        "CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
      );
      await stage.beside.query("BEGIN; SELECT * FROM p1");
      expect((await findingsOf(stage))[0]?.message).toMatch(/; it has locked public\.p1, which 2_p names$/);
    }));

  /** What a build that was interrupted leaves. */
  const leaveInvalid = async (db: TestDatabase) => {
    await db.query("INSERT INTO orders VALUES (1), (1)");
    await db.query("CREATE UNIQUE INDEX CONCURRENTLY orders_once ON orders (id)").catch(() => undefined);
  };

  it("an invalid index in the schemas of the migrations is named", () =>
    withOrders(OTHER, async (stage) => {
      await leaveInvalid(stage.db);
      const [finding, ...others] = await findingsOf(stage);
      expect(others).toEqual([]);
      expect(finding).toMatchObject({
        check: "invalid-index",
        message: "index public.orders_once of public.orders is not valid",
        hint: expect.stringContaining("DROP INDEX CONCURRENTLY public.orders_once;"),
      });
      await stage.db.query("CREATE SCHEMA elsewhere");
      const options = { schema: ["elsewhere"], migrationsSchema: "public" };
      expect(await findingsOf(stage, options)).toEqual([]);
    }));

  it("an invalid index is no reason for a warning where the run names it, or while it is built", () =>
    withOrders({ "2_fix.sql": "DROP INDEX orders_once;" }, async (stage) => {
      await leaveInvalid(stage.db);
      expect(await findingsOf(stage)).toEqual([]);
      await stage.db.query("DROP INDEX orders_once; TRUNCATE orders");
      await stage.beside.query("BEGIN; INSERT INTO orders VALUES (1)");
      const building = (await stage.db.client()).query("CREATE INDEX CONCURRENTLY orders_id ON orders (id)");
      const exists = "SELECT FROM pg_class WHERE relname = 'orders_id'";
      await waitFor(async () => (await stage.db.query(exists)).length > 0);
      expect(await findingsOf(stage, {})).toEqual([]);
      await stage.beside.query("ROLLBACK");
      await building;
    }));
});

describe("what the pre-flight check does with what it finds", () => {
  const withOldTransaction = (play: (stage: Stage) => Promise<void>) =>
    withOrders(OTHER, async (stage) => {
      await stage.beside.query("BEGIN; SELECT 1");
      await play(stage);
    });

  it("by default a run reports what stands in its way before the first migration starts, and in its report, and runs", () =>
    withOldTransaction(async ({ db, dir }) => {
      const migrator = await openMigrator(db, dir, AT_ONCE);
      const { warnings, completed } = await migrator.up();
      expect(checksIn(warnings)).toEqual(["old-transaction"]);
      expect(completed).toHaveLength(1);
      const types = migrator.events
        .map(({ type }) => type)
        .filter((type) => type === "warning" || type === "started");
      expect(types).toEqual(["warning", "started"]);
      expect(migrator.events.find(({ type }) => type === "warning")).toMatchObject({ finding: warnings[0] });
    }));

  it("a strict pre-flight check refuses before anything is written, and lists all of it [G41]", () =>
    withOldTransaction(async (stage) => {
      const { db, dir } = stage;
      await leaveTwo(db);
      const options = { ...AT_ONCE, preflight: "strict" } as const;
      const rows = await db.query("SELECT * FROM pgmigrations_history");
      const error = await failureOf((await openMigrator(db, dir, options)).up());
      expect(error).toMatchObject({ code: "PREFLIGHT" });
      expect(error.message).toMatch(
        /^the pre-flight check found 2 obstacles:\n {2}an idle transaction .*\n.*\n {2}index public\.broken/,
      );
      expect(await userTables(db)).toEqual(["orders"]);
      expect(await db.query("SELECT * FROM pgmigrations_history")).toEqual(rows);
      const { refusals, digest } = await (await openMigrator(db, dir, options)).planUp();
      expect(checksIn(refusals)).toEqual(["old-transaction", "invalid-index"]);
      expect(digest).toBeNull();
    }));

  const leaveTwo = async (db: TestDatabase) => {
    await db.query("INSERT INTO orders VALUES (1), (1)");
    await db.query("CREATE UNIQUE INDEX CONCURRENTLY broken ON orders (id)").catch(() => undefined);
  };

  it("a strict pre-flight check lets a run go on where nothing stands in the way", () =>
    withOrders(OTHER, async ({ db, dir }) => {
      await (await openMigrator(db, dir, { ...AT_ONCE, preflight: "strict" })).up();
      expect(await userTables(db)).toEqual(["orders", "other"]);
    }));

  it("a pre-flight check that is off does not look", () =>
    withOldTransaction(async ({ db, dir }) => {
      await db.enableStatementLog();
      const { warnings } = await (await openMigrator(db, dir, { ...AT_ONCE, preflight: "off" })).up();
      expect(warnings).toEqual([]);
      expect((await db.logged()).filter((text) => text.includes("pg_prepared_xacts"))).toEqual([]);
    }));

  it.each<readonly [string, (stage: Stage) => Promise<RunReport>]>([
    ["a no-op run", async ({ db, dir }) => (await openMigrator(db, dir, STRICT)).up()],
    [
      "a run that only records",
      async ({ db, dir }) => {
        addFiles(dir, OTHER);
        return (await openMigrator(db, dir, STRICT)).up({}, "fake");
      },
    ],
  ])("%s looks for nothing", (_, run) =>
    withOrders({}, async (stage) => {
      await stage.beside.query("BEGIN; SELECT 1");
      expect((await run(stage)).warnings).toEqual([]);
    }),
  );

  const STRICT = { ...AT_ONCE, preflight: "strict" } as const;

  it("down and redo have a pre-flight check too", () =>
    withOrders(
      { "2_other.sql": `${OTHER["2_other.sql"]}\n-- Down Migration\nDROP TABLE other;` },
      async ({ db, dir, beside }) => {
        await (await openMigrator(db, dir)).up();
        await beside.query("BEGIN; SELECT 1");
        expect(await failureOf((await openMigrator(db, dir, STRICT)).redo())).toMatchObject({
          code: "PREFLIGHT",
        });
        expect(await failureOf((await openMigrator(db, dir, STRICT)).down())).toMatchObject({
          code: "PREFLIGHT",
        });
        expect(await userTables(db)).toEqual(["orders", "other"]);
      },
    ));
});

describe("a pre-flight check that cannot see everything", () => {
  /** A user with no rights but on this database, and a migrator that connects as it. */
  const withPlainUser = (play: (stage: Stage, plain: Pick<TestDatabase, "connection">) => Promise<void>) =>
    withDatabase(async (db) => {
      const user = `plain_${db.name}`;
      await db.query(
        `CREATE ROLE ${user} LOGIN PASSWORD 'plain'; ALTER DATABASE ${db.name} OWNER TO ${user}; ALTER SCHEMA public OWNER TO ${user}`,
      );
      const plain = { connection: { ...db.connection, user, password: "plain" } };
      const dir = writeFolder(OTHER);
      try {
        await play({ db, dir, beside: await db.client() }, plain);
      } finally {
        await db.query(`REASSIGN OWNED BY ${user} TO CURRENT_USER; DROP OWNED BY ${user}; DROP ROLE ${user}`);
      }
    });

  /** Replicas are the server's, and another test file may make one at the same time. */
  const ownOf = (findings: readonly Finding[]) =>
    findings.filter(({ message }) => !message.startsWith("how far replicas are behind"));

  it("a user without pg_monitor is told that the age of transactions is hidden, and the run goes on, also with strict [G41]", () =>
    withPlainUser(async ({ db, dir, beside }, plain) => {
      await beside.query("BEGIN; CREATE TABLE mine ()");
      const strict = { ...AT_ONCE, preflight: "strict" } as const;
      const { warnings, completed } = await (await openMigrator(plain, dir, strict)).up();
      expect(completed).toHaveLength(1);
      expect(ownOf(warnings)).toMatchObject([
        {
          check: "hidden",
          message: expect.stringMatching(/^1 session is in a transaction whose age this user may not see/),
        },
      ]);
      await beside.query("ROLLBACK");
      addFiles(dir, { "3_more.sql": "CREATE TABLE more ();" });
      expect(ownOf((await (await openMigrator(plain, dir, strict)).up()).warnings)).toEqual([]);
      expect(await userTables(db)).toEqual(["more", "other"]);
    }));

  it("a dump is found without any right", () =>
    withPlainUser(async ({ dir, beside }, plain) => {
      await beside.query("SET application_name = 'pg_dump'");
      await beside.query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1");
      const { warnings } = await (await openMigrator(plain, dir)).planUp();
      expect(checksIn(ownOf(warnings))).toEqual(["dump"]);
    }));

  it("a check that the server refuses is a warning, and the run goes on [G41]", () =>
    withPlainUser(async ({ db, dir }, plain) => {
      await db.query("REVOKE SELECT ON pg_catalog.pg_replication_slots FROM PUBLIC");
      const strict = { ...AT_ONCE, preflight: "strict" } as const;
      const { warnings, completed } = await (await openMigrator(plain, dir, strict)).up();
      expect(completed).toHaveLength(1);
      expect(warnings).toMatchObject([
        {
          check: "failed",
          message:
            "the pre-flight check of replication failed: permission denied for view pg_replication_slots",
        },
      ]);
    }));
});

import { describe, expect, it } from "@jest/globals";
import pg from "pg";
import { MigrationError } from "../../lib/core/index.ts";
import type { Migrator } from "../../lib/engine/index.ts";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { closeClient, openClient } from "../../lib/postgres/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";
import { PGBOUNCER, startPgBouncer } from "../support/pgbouncer.ts";
import { type Pooler, type PoolerOptions, startPooler } from "../support/pooler.ts";
import { chosenCases, runsEveryCase } from "../support/postgres.ts";
import { isLocked } from "./locking.ts";

const NAMES = Array.from({ length: 8 }, (_, index) => `${index + 1}_m`);
/** Each counts how often it ran. */
const FILES = {
  "0_counts.sql": "CREATE TABLE counts (name text)",
  ...Object.fromEntries(
    NAMES.map((name) => [
      `${name}.sql`,
      `INSERT INTO counts VALUES ('${name}');\n-- Down Migration\nSELECT 1;`,
    ]),
  ),
};

interface Kind {
  readonly title: string;
  /** Whether a client can tell from the login alone that there is a pooler. */
  readonly announcesItself: boolean;
  readonly start: (target: ConnectionSettings, options: PoolerOptions) => Promise<Pooler>;
}

const KINDS: readonly Kind[] = [
  { title: "a pooler with process ids of its own", announcesItself: true, start: startPooler },
  {
    title: "a pooler that passes the server's process id on",
    announcesItself: false,
    start: (target, options) => startPooler(target, { ...options, passesKey: true }),
  },
  ...(PGBOUNCER === undefined || !runsEveryCase()
    ? []
    : [{ title: "PgBouncer", announcesItself: true, start: startPgBouncer }]),
];

async function withPooler(
  { start }: Kind,
  options: PoolerOptions,
  test: (db: TestDatabase, connection: ConnectionSettings) => Promise<void>,
): Promise<void> {
  await withDatabase(async (db) => {
    const pooler = await start(db.connection, options);
    try {
      await test(db, pooler.connection);
    } finally {
      await pooler.close();
    }
  });
}

/** The settings that somebody else meets who asks through the same pool, without those that say who asks. */
async function settingsThrough(connection: ConnectionSettings): Promise<unknown> {
  const client = new pg.Client({ ...connection, ssl: false, application_name: "the application" });
  await client.connect();
  const { rows } = await client.query(
    "SELECT name, setting FROM pg_settings WHERE source IN ('session', 'client') AND name NOT IN ('application_name', 'client_encoding')",
  );
  await client.end();
  return rows;
}

const COMMANDS: readonly [string, (migrator: Migrator) => Promise<unknown>][] = [
  ["up", (migrator) => migrator.up()],
  ["status", (migrator) => migrator.status()],
  ["plan", (migrator) => migrator.planUp()],
  ["history", (migrator) => migrator.history()],
];

const MODES = chosenCases(
  [
    ["transaction", 1],
    ["transaction", 3],
    ["statement", 1],
    ["statement", 3],
  ] as const,
  3,
);

describe.each(KINDS.filter(({ announcesItself }) => announcesItself))("through $title", (kind) => {
  describe.each(MODES)("in %s pooling with %d server connections", (mode, size) => {
    it.each(COMMANDS)(
      "the command %s is refused, writes nothing, and leaves no setting in the pool [G17]",
      (_, work) =>
        withPooler(kind, { mode, size }, async (db, connection) => {
          const before = await settingsThrough(connection);
          const migrator = await openMigrator(db, writeFolder(FILES), {}, { connection });
          const error = await failureOf(work(migrator));
          expect(error.code).toBe("POOLER");
          expect(String(error.details.hint)).toMatch(/directly.*session/);
          expect(await userTables(db)).toEqual([]);
          expect(await settingsThrough(connection)).toEqual(before);
          expect(await isLocked(db)).toBe(false);
        }),
    );

    it("a second connection, as dump and verify open it, is refused too", () =>
      withPooler(kind, { mode, size }, async (_, connection) => {
        expect(await failureOf(openClient(connection, "test"))).toMatchObject({ code: "POOLER" });
      }));

    it.each([2, 4])("the pooler check refuses %d runs at once", (count) =>
      withPooler(kind, { mode, size }, async (db, connection) => {
        const dir = writeFolder(FILES);
        const runs = Array.from({ length: count }, async () =>
          failureOf((await openMigrator(db, dir, {}, { connection })).up()),
        );
        expect((await Promise.all(runs)).map(({ code }) => code)).toEqual(Array(count).fill("POOLER"));
        expect(await userTables(db)).toEqual([]);
      }),
    );
  });
});

describe.each(KINDS)("through $title", (kind) => {
  it.each(chosenCases([1, 3], 2))(
    "simultaneous runs in transaction pooling with %d server connections apply nothing twice",
    (size) =>
      withPooler(kind, { mode: "transaction", size }, async (db, connection) => {
        const dir = writeFolder(FILES);
        // The table to count in is there in any case.
        await (await openMigrator(db, dir)).up({ count: 1 });
        const runs = [1, 2, 3, 4].map(async () => (await openMigrator(db, dir, {}, { connection })).up());
        for (const run of await Promise.allSettled(runs)) {
          if (run.status === "rejected") expect(run.reason).toBeInstanceOf(MigrationError);
        }
        const twice = await db.query("SELECT name FROM counts GROUP BY name HAVING count(*) > 1");
        expect(twice).toEqual([]);
        const names = await appliedNames(db);
        expect(names).toEqual([...new Set(names)]);
      }),
  );

  it.each(chosenCases([3, 1], 2))(
    "every command works in session pooling with %d server connections",
    (size) =>
      withPooler(kind, { mode: "session", size }, async (db, connection) => {
        const migrator = await openMigrator(db, writeFolder(FILES), {}, { connection });
        await migrator.up();
        expect((await migrator.status()).counts).toMatchObject({ applied: NAMES.length + 1, pending: 0 });
        await migrator.redo();
        await migrator.down();
        await migrator.up();
        expect(await appliedNames(db)).toHaveLength(NAMES.length + 1);
        expect(await isLocked(db)).toBe(false);
      }),
  );

  it.each(chosenCases(COMMANDS, 3))(
    "the command %s in session pooling returns its server connection unchanged [G17]",
    (_, work) =>
      withPooler(kind, { mode: "session", size: 1 }, async (db, connection) => {
        const before = await settingsThrough(connection);
        await work(await openMigrator(db, writeFolder(FILES), {}, { connection }));
        expect(await settingsThrough(connection)).toEqual(before);
      }),
  );

  it("a second connection in session pooling is returned unchanged", () =>
    withPooler(kind, { mode: "session", size: 1 }, async (_, connection) => {
      const before = await settingsThrough(connection);
      for (const turn of [1, 2]) {
        const client = await openClient(connection, "test");
        const { rows } = await client.query({
          name: "prepared",
          text: "SELECT $1::int AS turn",
          values: [turn],
        });
        expect(rows).toEqual([{ turn }]);
        await client.query("SET search_path = nowhere");
        await closeClient(client);
      }
      expect(await settingsThrough(connection)).toEqual(before);
    }));

  it("a failing run in session pooling returns its server connection unchanged", () =>
    withPooler(kind, { mode: "session", size: 1 }, async (db, connection) => {
      const before = await settingsThrough(connection);
      const dir = writeFolder({ "1_a.sql": "SET ROLE pg_monitor; SET search_path = ''; SELECT 1/0;" });
      const migrator = await openMigrator(db, dir, {}, { connection });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "SQL" });
      expect(await settingsThrough(connection)).toEqual(before);
    }));

  it("simultaneous runs in session pooling apply each migration once [G17]", () =>
    withPooler(kind, { mode: "session", size: 8 }, async (db, connection) => {
      const dir = writeFolder(FILES);
      const runs = [1, 2, 3, 4].map(async () => (await openMigrator(db, dir, {}, { connection })).up());
      const counts = (await Promise.all(runs)).map(({ completed }) => completed.length);
      expect(counts.sort()).toEqual([0, 0, 0, NAMES.length + 1]);
    }));
});

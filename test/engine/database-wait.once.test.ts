import { createServer, type Server, connect as tcpConnect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";

const MIGRATIONS = { "1_a.sql": "CREATE TABLE a ()" };

function listen(server: Server, port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("no port"));
      else resolve(address.port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

/** What a server does with connections before it is itself again. */
const UNWELL: Readonly<Record<string, () => Server>> = {
  "refuses connections": () => createServer(),
  "cuts connections": () => createServer((socket) => socket.destroy()),
  "never answers": () => createServer((socket) => socket.on("error", () => {})),
};

/** A way to the server that opens after a while. */
async function wayThatOpens(
  target: ConnectionSettings,
  kind: string,
): Promise<{ readonly port: number; open(): Promise<void>; close(): Promise<void> }> {
  const unwell = UNWELL[kind]?.() ?? createServer();
  const port = await listen(unwell);
  if (kind === "refuses connections") await close(unwell);
  const well = createServer((client) => {
    const upstream = tcpConnect({ host: target.host, port: target.port });
    for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
    client.pipe(upstream).pipe(client);
  });
  return {
    port,
    async open() {
      if (unwell.listening) unwell.close();
      await sleep(50);
      await listen(well, port);
    },
    close: () => close(well),
  };
}

describe("a database that cannot be reached at the moment", () => {
  it.each(Object.keys(UNWELL))("a run waits for a database while it %s [G20]", async (kind) => {
    await withDatabase(async (db) => {
      const way = await wayThatOpens(db.connection, kind);
      const connection = { ...db.connection, host: "127.0.0.1", port: way.port };
      const options = { databaseWaitMs: 20_000, connectTimeoutMs: 500 };
      const migrator = await openMigrator({ connection }, writeFolder(MIGRATIONS), options);
      const run = migrator.up();
      await sleep(1_200);
      await way.open();
      await run;
      expect(await appliedNames(db)).toEqual(["1_a"]);
      expect(migrator.events.filter(({ type }) => type === "server-starting")).not.toEqual([]);
      await way.close();
    });
  });

  it("a run without a setting to wait fails at once", async () => {
    await withDatabase(async (db) => {
      const way = await wayThatOpens(db.connection, "refuses connections");
      const connection = { ...db.connection, host: "127.0.0.1", port: way.port };
      const migrator = await openMigrator({ connection }, writeFolder(MIGRATIONS));
      expect(await failureOf(migrator.up())).toMatchObject({ code: "CONNECTION" });
      expect(migrator.events).toEqual([]);
    });
  });

  it("a run waits no longer than the setting and the deadline allow [G20]", async () => {
    await withDatabase(async (db) => {
      const way = await wayThatOpens(db.connection, "refuses connections");
      const connection = { ...db.connection, host: "127.0.0.1", port: way.port };
      const limits = [
        [{ databaseWaitMs: 1_000 }, {}],
        [{ databaseWaitMs: 60_000 }, { deadline: Date.now() + 2_000 }],
      ] as const;
      for (const [options, setup] of limits) {
        const startedAt = performance.now();
        const migrator = await openMigrator({ connection }, writeFolder(MIGRATIONS), options, setup);
        expect(await failureOf(migrator.up())).toMatchObject({ code: "CONNECTION" });
        expect(performance.now() - startedAt).toBeLessThan(30_000);
      }
    });
  });

  it("a run waits for a host name that does not exist yet", async () => {
    await withDatabase(async (db) => {
      const connection = { ...db.connection, host: "no-such-host.invalid" };
      const migrator = await openMigrator({ connection }, writeFolder(MIGRATIONS), { databaseWaitMs: 1_000 });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "CONNECTION" });
      expect(migrator.events).toContainEqual(expect.objectContaining({ type: "server-starting" }));
    });
  });

  it("a run does not wait for a server that refuses the password", async () => {
    await withDatabase(async (db) => {
      const connection = { ...db.connection, password: "wrong" };
      const migrator = await openMigrator({ connection }, writeFolder(MIGRATIONS), {
        databaseWaitMs: 60_000,
      });
      expect(await failureOf(migrator.up())).toMatchObject({ code: "AUTH" });
      expect(migrator.events).toEqual([]);
    });
  });

  it("a run does not wait for a server that answers with the wrong database", async () => {
    await withDatabase(async (db) => {
      const connection = { ...db.connection, database: "nowhere" };
      const options = { databaseWaitMs: 60_000 };
      const migrator = await openMigrator({ connection }, writeFolder(MIGRATIONS), options);
      expect(await failureOf(migrator.up())).toMatchObject({ code: "DATABASE_NOT_FOUND" });
      expect(migrator.events).toEqual([]);
    });
  });
});

import { describe, expect, it } from "@jest/globals";
import { type LocalServer, startLocal } from "../../lib/embedded/index.ts";
import { isAlive } from "../../lib/embedded/postmaster.ts";
import type { ConnectionSettings } from "../../lib/postgres/index.ts";
import { writeFolder } from "../support/folders.ts";
import { ask, withProjects } from "../support/launcher.ts";
import { failureOf, openMigrator } from "../support/migrator.ts";
import { until } from "./until.ts";

const TWELVE = Array.from({ length: 12 }, (_, index) => `${index + 11}_t`);
const FILES = Object.fromEntries(
  TWELVE.map((name) => [`${name}.sql`, `CREATE TABLE t${name.slice(0, 2)} (n int);`]),
);
/** Long for a test, so that what waits for the writer is lost by a crash. */
const serverSettings = { wal_writer_delay: "10000", wal_writer_flush_after: "100000" };

async function crash(server: LocalServer): Promise<void> {
  process.kill(server.pid, "SIGKILL");
  await until(() => !isAlive(server.pid), "the server to be gone");
}

const addressOf = ({ connection }: LocalServer): { readonly connection: ConnectionSettings } => ({
  connection: { ...connection, tls: { mode: "disable" } },
});

async function namesIn(server: LocalServer): Promise<Record<"tables" | "applied" | "history", string[]>> {
  const column = async (sql: string) => (await ask(server, sql)).map(([name]) => String(name));
  return {
    tables: await column(
      "SELECT substr(relname, 2) || '_t' FROM pg_class WHERE relname ~ '^t\\d\\d$' ORDER BY 1",
    ),
    applied: await column("SELECT name FROM pgmigrations ORDER BY id"),
    history: await column(
      "SELECT migration FROM pgmigrations_history WHERE state = 'finished' AND migration ~ '_t$' ORDER BY id",
    ),
  };
}

describe("a crash of the server", () => {
  it("a server crash right after a successful first run takes nothing back [G5]", () =>
    withProjects(1, async (projectDir) => {
      const server = await startLocal({ projectDir, serverSettings });
      await (await openMigrator(addressOf(server), writeFolder(FILES))).up();
      await crash(server);
      const again = await startLocal({ projectDir, serverSettings });
      expect(await namesIn(again)).toEqual({ tables: TWELVE, applied: TWELVE, history: TWELVE });
    }));

  it("a server crash during a first run may take back the newest migrations and their records, and a second run applies the rest [G5]", () =>
    withProjects(1, async (projectDir) => {
      const server = await startLocal({ projectDir, serverSettings });
      const slow = writeFolder({ ...FILES, "30_slow.sql": "SELECT pg_sleep(60);" });
      const failing = failureOf((await openMigrator(addressOf(server), slow)).up());
      const asleep = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
      await until(async () => (await ask(server, asleep)).length > 0, "the last migration");
      await crash(server);
      expect(await failing).toMatchObject({ code: "CONNECTION" });

      const again = await startLocal({ projectDir, serverSettings });
      const { tables, applied, history } = await namesIn(again);
      expect(applied).toEqual(TWELVE.slice(0, applied.length));
      expect({ tables, history }).toEqual({ tables: applied, history: applied });
      await (await openMigrator(addressOf(again), writeFolder(FILES))).up();
      expect(await namesIn(again)).toEqual({ tables: TWELVE, applied: TWELVE, history: TWELVE });
    }));
});

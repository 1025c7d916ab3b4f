import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import { environmentOf, startCommand, until, writeProject } from "../cli/command.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { chosenCases } from "../support/postgres.ts";
import { type FaultyProxy, startProxy } from "./proxy.ts";

const SLOW = writeProject({ "1_slow.sql": "SELECT pg_sleep(120);" });

async function throughProxy(test: (db: TestDatabase, proxy: FaultyProxy) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    const proxy = await startProxy(db.connection, () => "pass");
    try {
      await test(db, proxy);
    } finally {
      await proxy.close();
    }
  });
}

describe("a command on a network that has been frozen for a while", () => {
  it.each(chosenCases(["up", "up --lock-timeout 0.1"], 2))(
    "the process of %s ends soon after Ctrl-C [G9]",
    (line) =>
      throughProxy(async (_, proxy) => {
        const command = startCommand(SLOW, line.split(" "), environmentOf(proxy.connection));
        await until(() => proxy.requests.some(({ text }) => text.includes("pg_sleep")), "the statement");
        proxy.freeze();
        await sleep(4_000);
        const cancelledAt = Date.now();
        command.send("SIGINT");
        const { code, stderr } = await command.ended;
        expect([code, stderr]).toEqual([130, expect.stringContaining("Cancelled")]);
        expect(Date.now() - cancelledAt).toBeLessThan(10_000);
      }),
  );

  it("the process of dump ends soon after Ctrl-C", () =>
    throughProxy(async (_, proxy) => {
      const command = startCommand(SLOW, ["dump"], environmentOf(proxy.connection));
      await until(() => proxy.requests.length > 0, "the first request");
      proxy.freeze();
      await sleep(500);
      const cancelledAt = Date.now();
      command.send("SIGINT");
      const { code, stderr } = await command.ended;
      expect([code, stderr]).toEqual([130, expect.stringContaining("Cancelled")]);
      expect(Date.now() - cancelledAt).toBeLessThan(10_000);
    }));
});

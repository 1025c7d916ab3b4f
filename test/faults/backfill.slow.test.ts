import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "@jest/globals";
import { environmentOf, type RunningCommand, startCommand, writeProject } from "../cli/command.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { openMigrator } from "../support/migrator.ts";
import { type Fate, startProxy } from "./proxy.ts";
import { expectNothingLeft } from "./state.ts";
import { BACKFILL, startWriter, type Writer, wrongRows } from "./work.ts";

const APPLICATION = String.raw`\set id random(1, 240)
UPDATE work SET touched = touched + 1 WHERE id = 4 * :id;
INSERT INTO work (id, a, b) VALUES (1000 + :id, 3, 6) ON CONFLICT (id) DO NOTHING;
`;

/** Four clients of pgbench where it is installed. */
async function startApplication(db: TestDatabase): Promise<Writer> {
  if (spawnSync("pgbench", ["--version"]).error !== undefined) return startWriter(db);
  const { host, port, database, user, password } = db.connection;
  const script = join(writeFolder({ "application.sql": APPLICATION }), "application.sql");
  const args = [
    "-n",
    "-c",
    "4",
    "-T",
    "600",
    "-f",
    script,
    "-h",
    host,
    "-p",
    String(port),
    "-U",
    user,
    database,
  ];
  const pgbench = spawn("pgbench", args, { env: { ...process.env, PGPASSWORD: password }, stdio: "ignore" });
  const ended = new Promise((resolve) => pgbench.once("exit", resolve));
  return {
    stop: async () => {
      const [row] = await db.query<{ writes: number }>("SELECT sum(touched)::int AS writes FROM work");
      pgbench.kill();
      await ended;
      return row?.writes ?? 0;
    },
  };
}

/** Starts the command, and kills it with -9 when it commits its first batch. @returns whether it came to the end */
async function killAtFirstBatch(db: TestDatabase, project: string, fate: Fate): Promise<boolean> {
  let command: RunningCommand | undefined;
  let records = 0;
  const proxy = await startProxy(db.connection, async ({ link, text }) => {
    if (link !== 0 || !/2_fill.*COMMIT$/s.test(text)) return "pass";
    records += 1;
    // The first record says that the migration has started.
    if (records !== 2) return "pass";
    if (fate === "cut") {
      command?.send("SIGKILL");
      await command?.ended;
    } else {
      setTimeout(() => command?.send("SIGKILL"), 20);
    }
    return fate;
  });
  try {
    command = startCommand(project, ["up"], environmentOf(proxy.connection));
    return (await command.ended).code === 0;
  } finally {
    await proxy.close();
  }
}

it("after kill -9 at every batch, before and behind its commit, while an application writes, each row is written once [G50]", () =>
  withDatabase(async (db) => {
    const project = writeProject(BACKFILL);
    await (await openMigrator(db, join(project, "migrations"))).up({ count: 1 });
    const application = await startApplication(db);
    let runs = 0;
    const reached: number[] = [];
    for (let isDone = false; !isDone; runs += 1) {
      expect(runs).toBeLessThan(60);
      isDone = await killAtFirstBatch(db, project, runs % 2 === 0 ? "cut" : "lose-answer");
      const { migrations } = await (await openMigrator(db, join(project, "migrations"))).status();
      const backfill = migrations.find(({ name }) => name === "2_fill")?.backfill;
      if (backfill !== undefined) reached.push(backfill.rows);
    }
    expect(await application.stop()).toBeGreaterThan(0);
    expect(reached).toEqual(reached.toSorted((a, b) => a - b));
    expect(runs).toBeGreaterThan(12);
    expect(await wrongRows(db)).toEqual([]);
    await expectNothingLeft(db);
  }));

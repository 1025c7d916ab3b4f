import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { withDatabase } from "../support/database.ts";
import { removeFiles } from "../support/folders.ts";
import { COMMAND, environmentOf, runCommand, startProgram, writeProject } from "./command.ts";

const COUNT = 400;
const FILES = Object.fromEntries(
  Array.from({ length: COUNT }, (_, n) => [`${1000 + n}_t.sql`, `CREATE TABLE t${n} (id int);`]),
);
const LAST = `${1000 + COUNT - 1}_t`;

test("squash, killed while it replaces files, loses none of them, and the next command names those that are left", () =>
  withDatabase(async (db) => {
    const project = writeProject(FILES);
    const env = environmentOf(db.connection);
    const [folder, kept] = [join(project, "migrations"), join(project, "old")];
    const baseline = `${LAST}-baseline.sql`;
    const args = [COMMAND, "squash", "--to", LAST, "--keep", kept];
    const squash = startProgram(project, process.execPath, args, env);
    while (!existsSync(join(folder, baseline))) await setTimeout(1);
    process.kill(squash.pid, "SIGKILL");
    await squash.ended;

    for (const [file, text] of Object.entries(FILES))
      expect(readFileSync(join(kept, file), "utf8")).toBe(text);
    const left = readdirSync(folder).filter((file) => file !== baseline);
    if (left.length > 0) {
      const { code, stderr } = await runCommand(project, ["up"], env);
      expect([code, stderr]).toEqual([1, expect.stringContaining("whose file is still there")]);
      removeFiles(folder, ...left);
    }
    expect(await runCommand(project, ["up"], env)).toMatchObject({ code: 0 });
    expect(await db.query("SELECT count(*)::int AS n FROM pg_class WHERE relname ~ '^t[0-9]+$'")).toEqual([
      { n: COUNT },
    ]);
  }));

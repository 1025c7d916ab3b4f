import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { COMMAND, environmentOf, startProgram, writeProject } from "./command.ts";

const PRELOAD = fileURLToPath(new URL("./list-loaded.mjs", import.meta.url));

/** No compiler, no node-pg-migrate, nothing that only some output needs. The last three come with pg. */
const NEEDED = ["commander", "pg", "picocolors", "pgpass", "split2", "xtend"];

/** Packages that a command loads. */
async function packagesOf(db: TestDatabase, project: string, command: string): Promise<string[]> {
  const list = join(project, `loaded-${randomUUID()}`);
  const env = { ...environmentOf(db.connection), LOADED_LIST: list };
  const { code, stderr } = await startProgram(
    project,
    process.execPath,
    ["--import", PRELOAD, COMMAND, command],
    env,
  ).ended;
  expect([code, stderr]).toEqual([0, ""]);
  const names = [...readFileSync(list, "utf8").matchAll(/node_modules\/((?:@[^/\n]+\/)?[^/.\n][^/\n]*)\//g)];
  return [...new Set(names.map(([, name = ""]) => name))].filter((name) => !name.startsWith("pg-")).sort();
}

it("a command that has nothing to build loads what it needs to ask the database, and no more", () =>
  withDatabase(async (db) => {
    const project = writeProject({
      "1_a.ts": "export const up = (pgm) => {\n  pgm.sql('SELECT 1');\n};\n",
      "2_b.sql": "SELECT 2;",
    });
    expect(await packagesOf(db, project, "up")).toEqual(
      expect.arrayContaining(["esbuild", "node-pg-migrate", "pg"]),
    );
    for (const command of ["status", "up"]) {
      const loaded = await packagesOf(db, project, command);
      expect(loaded).toEqual(expect.arrayContaining(["commander", "pg"]));
      expect(loaded.filter((name) => !NEEDED.includes(name) && !name.startsWith("postgres-"))).toEqual([]);
    }
  }));

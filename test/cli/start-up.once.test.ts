import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { COMMAND, environmentOf, startProgram, writeProject } from "./command.ts";

const PRELOAD = fileURLToPath(new URL("./list-loaded.mjs", import.meta.url));

/** Packages that a command loads, and what is large in Node itself: its `fetch`. */
async function loadedBy(db: TestDatabase, project: string, command: string): Promise<string[]> {
  const list = join(project, `loaded-${randomUUID()}`);
  const env = { ...environmentOf(db.connection), LOADED_LIST: list };
  const { code, stderr } = await startProgram(
    project,
    process.execPath,
    ["--import", PRELOAD, COMMAND, command],
    env,
  ).ended;
  expect([code, stderr]).toEqual([0, ""]);
  const loaded = readFileSync(list, "utf8");
  const packages = loaded.matchAll(/node_modules\/((?:@[^/\n]+\/)?[^/.\n][^/\n]*)\//g);
  const names = [...packages].map(([, name = ""]) => name);
  return [...new Set(loaded.includes("internal/deps/undici") ? [...names, "undici"] : names)].sort();
}

it("a command without migrations to build loads no package beside its own file: no compiler, no node-pg-migrate", () =>
  withDatabase(async (db) => {
    const project = writeProject({
      "1_a.ts": "export const up = (pgm) => {\n  pgm.sql('SELECT 1');\n};\n",
      "2_b.sql": "SELECT 2;",
    });
    expect(await loadedBy(db, project, "up")).toEqual(expect.arrayContaining(["esbuild", "node-pg-migrate"]));
    for (const command of ["status", "up"]) expect(await loadedBy(db, project, command)).toEqual([]);
  }));

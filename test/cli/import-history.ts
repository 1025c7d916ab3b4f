import { cpSync } from "node:fs";
import { join } from "node:path";
import { HISTORIES, recordedDatabase } from "../import/histories.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { environmentOf, jsonOf, type Outcome, runCommand } from "./command.ts";

export type Run = (...args: string[]) => Promise<Outcome>;

/** A copy of a tool's project, and a database as the tool has left it. */
export function withHistory(
  history: string,
  state: "database" | "complete" | "failed",
  test: (run: Run, project: string, db: TestDatabase) => Promise<void>,
): Promise<void> {
  return withDatabase(async (db) => {
    const project = writeFolder({});
    cpSync(join(HISTORIES, history, "project"), project, { recursive: true });
    await db.query(recordedDatabase(history, state));
    await test((...args) => runCommand(project, args, environmentOf(db.connection)), project, db);
  });
}

export async function statesOf(run: Run): Promise<Record<string, string>> {
  const { migrations } = jsonOf(await run("status", "--json"));
  if (!Array.isArray(migrations)) throw new Error("no migrations");
  return Object.fromEntries(migrations.map(({ name, state }) => [name, state]));
}

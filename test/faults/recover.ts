import { MigrationError } from "../../lib/core/index.ts";
import type { TestDatabase } from "../support/database.ts";
import { openMigrator } from "../support/migrator.ts";
import { LOOSE } from "./ten.ts";

/** How a person settles what stopped part-way: goes on where it stopped, or takes all of it back. */
export type Habit = "go-on" | "take-back";

/** Runs `up` again as a person does, who resolves whatever is partly applied, until it succeeds. */
export async function recover(db: TestDatabase, dir: string, habit: Habit = "go-on"): Promise<void> {
  for (let tries = 0; tries < 3; tries += 1) {
    try {
      await (await openMigrator(db, dir)).up();
      return;
    } catch (error) {
      if (!(error instanceof MigrationError) || error.code !== "PARTIAL") throw error;
      await settle(db, dir, habit);
    }
  }
  throw new Error("still partly applied after it was resolved");
}

async function settle(db: TestDatabase, dir: string, habit: Habit): Promise<void> {
  const migrator = await openMigrator(db, dir);
  const { migrations } = await migrator.status();
  const partial = migrations.find(({ state }) => state === "partial");
  if (partial?.statement === undefined) throw new Error("nothing is partly applied");
  const { name, statement } = partial;
  const statements = LOOSE[name] ?? [];
  if (habit === "take-back") {
    for (const { undo } of [...statements].reverse()) await db.query(undo);
    await migrator.resolve(name, "reverted");
    return;
  }
  const inDoubt = statements[statement];
  const done = inDoubt === undefined || (await isDone(db, inDoubt.done));
  if (done && statement >= statements.length - 1) {
    await migrator.resolve(name, "applied");
    return;
  }
  // It finished and was not recorded: it would run twice.
  if (done && inDoubt !== undefined) await db.query(inDoubt.undo);
  await migrator.resolve(name, "retry");
}

async function isDone(db: TestDatabase, sql: string): Promise<boolean> {
  const [row] = await db.query<{ done: boolean }>(sql);
  return row?.done ?? false;
}

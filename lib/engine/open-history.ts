import { randomUUID } from "node:crypto";
import { asOwnSql } from "../postgres/index.ts";
import { type Context, loadOptions } from "./context.ts";
import type { DatabaseState } from "./database-state.ts";
import { ensureTables } from "./history/tables.ts";
import { Ledger } from "./history/write.ts";
import { revokeRights } from "./history/writers.ts";
import { recordFiles } from "./history-entries.ts";

/**
 * Prepares the history for the rows of a new run: makes its tables where they are missing, and records the applied
 * migrations that are to be taken over.
 */
export async function openHistory(
  context: Context,
  { existing, stored }: DatabaseState,
  takenOver: readonly string[] = [],
): Promise<Ledger> {
  const { session, tables, provenance, observe } = context;
  const ledger = new Ledger(tables, provenance, randomUUID(), stored.newestRunOn);
  const rows = await takeOver(context, takenOver, ledger);
  return asOwnSql("the tables of the engine cannot be made", async () => {
    if (existing.applied || existing.history) await revokeRights(session, tables, observe);
    return ledger.on(await ensureTables(session, tables, existing, rows));
  });
}

/** Whether a run has to record applied migrations, or to make the history for them, even when none is pending. */
export function needsTakeOver(context: Context, state: DatabaseState): boolean {
  const isFirstContact = !state.existing.history && state.stored.applied.length > 0;
  return isFirstContact || unrecorded(context, state).length > 0;
}

/** Applied migrations that have a file and no history, because plain node-pg-migrate applied them. */
export function unrecorded({ source }: Context, { stored }: DatabaseState): string[] {
  const present = new Set(source.entries.map(({ name }) => name));
  return stored.applied.flatMap((m) => (m.sourceDigest === null && present.has(m.name) ? [m.name] : []));
}

/** Rows that record the present files as what was applied, so that later changes are noticed. Runs no migration. */
async function takeOver(context: Context, names: readonly string[], ledger: Ledger): Promise<string[]> {
  const files = await recordFiles(context.source, names, loadOptions(context));
  const note = "taken over from node-pg-migrate";
  return files.map((file) => ledger.recordAbout({ note, ...file, action: "baseline", state: "finished" }));
}

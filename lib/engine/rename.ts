import { Hint, MigrationError, type SettleReport } from "../core/index.ts";
import type { Context } from "./context.ts";
import { type DatabaseState, knownNames, readState } from "./database-state.ts";
import { openHistory } from "./history-entries.ts";
import { withMigrationLock } from "./lock.ts";
import { readStoredSql, reason, report, write } from "./repair-resolve-baseline.ts";

/**
 * Records that the file of an applied migration has another name now. Runs no SQL of it. Where the file was edited too, it
 * counts as changed afterwards.
 * @throws MigrationError `USAGE` unless the old name is applied and has no file, and the new one has a file and is not applied
 */
export async function rename(
  context: Context,
  before: string,
  now: string,
  note?: string,
): Promise<SettleReport> {
  const why = reason(note);
  return withMigrationLock(context, async () => {
    const state = await readState(context);
    requireRenamed(context, state, before, now);
    const stored = await readStoredSql(context, state, [before]);
    const sourceDigest = state.stored.applied.find(({ name }) => name === before)?.sourceDigest;
    const writer = await openHistory(context, state);
    const row = {
      ...stored(before),
      ...(sourceDigest == null ? {} : { sourceDigest }),
      migration: now,
      action: "repair",
      state: "finished",
      note: `renamed from ${before}`,
      ...why,
    } as const;
    await write(context, [writer.renameApplied(before, now), writer.recordAbout(row)]);
    return report(state, [now]);
  });
}

function requireRenamed({ source }: Context, { stored }: DatabaseState, before: string, now: string): void {
  const isApplied = (name: string) => stored.applied.some((one) => one.name === name);
  const files = knownNames(source);
  if (!isApplied(before)) throw refusal(`migration ${before} is not applied`);
  if (files.includes(before)) throw refusal(`the file of ${before} is still there`);
  if (!files.includes(now)) throw refusal(`there is no file for ${now}`);
  if (isApplied(now)) throw refusal(`migration ${now} is applied already`);
}

function refusal(why: string): MigrationError {
  return new MigrationError("USAGE", `${why}: nothing was renamed`, {
    hint: Hint.of`Rename the file first, then give the name that it had and the one that it has. ${Hint.command("status")} shows the names.`,
  });
}

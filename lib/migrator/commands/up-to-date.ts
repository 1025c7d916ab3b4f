import { createHash } from "node:crypto";
import { MigrationError, type MigrationSource, type RunReport } from "../../core/index.ts";
import { digestAll } from "../build/compare.ts";
import { readFingerprint } from "../store/read.ts";
import { countStates, knownNames } from "../survey.ts";
import type { Workspace } from "../workspace.ts";

/**
 * Whether exactly the source's migrations are applied, as their files are now, and none is partial. False when that
 * takes more than one value of either side to know, for example on a database that was never migrated.
 */
export async function isUpToDate({ session, source, tables }: Workspace): Promise<boolean> {
  try {
    const [stored, files] = await Promise.all([readFingerprint(session, tables), digestAll(source)]);
    return files !== undefined && stored === fingerprintOf(files);
  } catch (error) {
    // Reading the whole state explains what is wrong.
    const isExplained = error instanceof MigrationError && ["SQL", "UNTRUSTED_HISTORY"].includes(error.code);
    if (isExplained && session.usable) return false;
    throw error;
  }
}

/** The report of a run that found the database up to date. */
export function upToDateReport(source: MigrationSource): RunReport {
  const names = knownNames(source);
  return {
    run: null,
    completed: [],
    head: names.at(-1) ?? null,
    pending: [],
    counts: countStates(names.map((name) => ({ name, state: "applied" }))),
    tables: null,
    warnings: [],
  };
}

/** As `readFingerprint` computes it, with names in the order of their code units. */
function fingerprintOf(files: ReadonlyMap<string, string>): string {
  const lines = [...files.keys()].sort().map((name) => `${name}/${files.get(name)}`);
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

import { describeFiles } from "../build/describe.ts";
import { MigrationError } from "../errors.ts";
import type { Ledger } from "../store/write.ts";
import type { Survey } from "../survey.ts";
import { loadOptions, type Workspace } from "../workspace.ts";

/** True for a database that plain node-pg-migrate has migrated and this engine meets for the first time. */
export function isAdopted({ existing, stored }: Survey): boolean {
  return !existing.history && stored.applied.length > 0;
}

/**
 * First contact: the files as they are now are taken for what was applied, so that later changes are noticed. A
 * file that cannot be read any more is left out: it ran long ago, and must not stop what is new.
 */
export async function adoptionRows(
  workspace: Workspace,
  { stored }: Survey,
  ledger: Ledger,
): Promise<string[]> {
  const { source, observe } = workspace;
  const present = new Set(source.entries.map((entry) => entry.name));
  const names = stored.applied.map((m) => m.name).filter((name) => present.has(name));
  try {
    const files = await describeFiles(source, names, loadOptions(workspace));
    const note = "taken over from node-pg-migrate";
    return files.map((file) => ledger.recordAbout({ ...file, action: "baseline", state: "finished", note }));
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== "MIGRATION") throw error;
    observe({
      type: "warning",
      message: `changes to files applied before cannot be noticed: ${error.message}`,
    });
    return [];
  }
}

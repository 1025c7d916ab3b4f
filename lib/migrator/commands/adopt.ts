import type { MigrationSource } from "../../core/index.ts";
import { recordFiles } from "../build/describe.ts";
import type { Ledger } from "../store/write.ts";
import type { Survey } from "../survey.ts";
import { loadOptions, type Workspace } from "../workspace.ts";

/**
 * Applied migrations of which nothing is on record, although their files are here: plain node-pg-migrate has applied
 * them, before this engine met the database or since.
 */
export function unrecorded({ stored }: Survey, { entries }: MigrationSource): string[] {
  const present = new Set(entries.map(({ name }) => name));
  return stored.applied.flatMap((m) => (m.sourceDigest === null && present.has(m.name) ? [m.name] : []));
}

/** The files as they are now are taken for what was applied, so that later changes are noticed. Runs none of them. */
export async function takeOver(
  workspace: Workspace,
  names: readonly string[],
  ledger: Ledger,
): Promise<string[]> {
  const files = await recordFiles(workspace.source, names, loadOptions(workspace));
  const note = "taken over from node-pg-migrate";
  return files.map((file) => ledger.recordAbout({ note, ...file, action: "baseline", state: "finished" }));
}

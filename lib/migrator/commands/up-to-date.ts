import { createHash } from "node:crypto";
import type { RunReport } from "../../core/index.ts";
import { digestAll } from "../build/compare.ts";
import { readFingerprint } from "../store/read.ts";
import { asReading, findTables } from "../store/tables.ts";
import { countStates, knownNames } from "../survey.ts";
import type { Workspace } from "../workspace.ts";

/**
 * The report of a run that has nothing to do, where that can be told from one value on either side: exactly the files
 * at hand are applied, as they are now, and none is half-done. Undefined when it takes more to tell.
 */
export async function upToDate({ session, source, tables }: Workspace): Promise<RunReport | undefined> {
  const read = async () => {
    const existing = await findTables(session, tables);
    if (!existing.applied || !existing.history) return undefined;
    return Promise.all([readFingerprint(session, tables, existing), digestAll(source)]);
  };
  const [stored, files] = (await asReading(tables, read)) ?? [];
  if (files === undefined || stored !== fingerprintOf(files)) return undefined;
  const names = knownNames(source);
  return {
    ...{ run: null, completed: [], head: names.at(-1) ?? null, pending: [] },
    counts: countStates(names.map((name) => ({ name, state: "applied" }))),
    ...{ tables: null, warnings: [] },
  };
}

/** As the server reckons it: in another order of names than by their code units it differs, and is of no use. */
function fingerprintOf(files: ReadonlyMap<string, string>): string {
  const lines = [...files.keys()].sort().map((name) => `${name}/${files.get(name)}`);
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

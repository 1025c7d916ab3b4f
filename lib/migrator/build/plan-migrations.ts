import { MigrationError } from "../errors.ts";
import type { Direction } from "../plan/select.ts";
import type { Planned } from "../run/planned.ts";
import type { MigrationSource } from "../source.ts";
import { buildWithoutDatabase } from "./build.ts";
import { fromSource, type LoadOptions, loadContexts } from "./load.ts";

/**
 * Loads and builds the named migrations before any of them runs, in the order given: what cannot be loaded, built
 * or undone is known while nothing has happened yet.
 * @throws MigrationError `MISSING` for a name without a file, `IRREVERSIBLE`, `MIGRATION`
 */
export async function planMigrations(
  source: MigrationSource,
  names: readonly string[],
  direction: Direction,
  options: LoadOptions,
): Promise<Planned[]> {
  const present = new Set(source.entries.map((entry) => entry.name));
  const gone = names.filter((name) => !present.has(name));
  if (gone.length > 0) throw withoutFile(gone);
  const contexts = await loadContexts(source, names, options);
  const digests = await fromSource(() => source.digests(names));
  const planned: Planned[] = [];
  for (const name of names) {
    const context = contexts.get(name);
    if (context === undefined) throw withoutFile([name]);
    const built = await buildWithoutDatabase(context, direction);
    planned.push({ name, direction, context, built, sourceDigest: digests.get(name) });
  }
  return planned;
}

function withoutFile(names: readonly string[]): MigrationError {
  return new MigrationError("MISSING", `applied, but there is no file to undo it with: ${names.join(", ")}`, {
    hint: "Bring the file back (was it renamed?), or check out the version of the code that has it.",
    ...(names[0] === undefined ? {} : { migration: names[0] }),
  });
}

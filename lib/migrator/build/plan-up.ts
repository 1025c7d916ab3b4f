import { MigrationError, type MigrationSource } from "../../core/index.ts";
import type { Planned } from "../run/planned.ts";
import { isEmptySql } from "../sql/split.ts";
import { buildWithoutDatabase } from "./build.ts";
import { type LoadOptions, loadContexts } from "./load.ts";

/**
 * Loads and builds the named migrations before any of them runs, in the order given: what cannot be loaded or
 * built is known while nothing has happened yet.
 * @throws MigrationError `MIGRATION`
 */
export async function planUp(
  source: MigrationSource,
  names: readonly string[],
  options: LoadOptions,
): Promise<Planned[]> {
  // Before they are loaded: of a file that is edited meanwhile the next run knows that it is not what was applied.
  const digests = await source.digests(names);
  const contexts = await loadContexts(source, names, options);
  const planned: Planned[] = [];
  for (const name of names) {
    const context = contexts.get(name);
    if (context === undefined)
      throw new MigrationError("MISSING", `there is no file of migration ${name}`, { migration: name });
    const built = await buildWithoutDatabase(context, "up");
    if (built.kind === "static" && isEmptySql(built.steps))
      options.warn(`${name} is empty: it has no SQL to apply, and counts as applied all the same`);
    planned.push({ name, direction: "up", context, built, source: "file", sourceDigest: digests.get(name) });
  }
  return planned;
}

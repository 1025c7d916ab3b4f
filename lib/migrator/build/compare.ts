import type { MigrationSource } from "../source.ts";
import { DIGEST_VERSION, sqlDigest } from "../sql/digest.ts";
import type { AppliedMigration } from "../store/read.ts";
import { type BuildContext, renderUp } from "./build.ts";
import { fromSource, type LoadOptions, loadContexts, reloadContext } from "./load.ts";
import { inAnotherWorld } from "./world.ts";

/**
 * The applied migrations whose SQL is not what was applied, with the SQL as it is now. Files are compared by digest; only one that
 * differs is loaded, and then its SQL decides: comments, white space and line endings do not count.
 */
export async function findChanged(
  source: MigrationSource,
  applied: readonly AppliedMigration[],
  options: LoadOptions,
): Promise<Map<string, readonly string[]>> {
  const present = new Set(source.entries.map((entry) => entry.name));
  const recorded = applied.filter((m) => m.sourceDigest !== null && present.has(m.name));
  const digests = await fromSource(() => source.digests(recorded.map((m) => m.name)));
  const differing = recorded.filter((m) => isComparable(m) && digests.get(m.name) !== m.sourceDigest);
  const contexts = await loadContexts(
    source,
    differing.map((m) => m.name),
    { ...options, warn: () => {} },
  );
  const changed = new Map<string, readonly string[]>();
  for (const { name, sqlDigest: before } of differing) {
    const context = contexts.get(name);
    if (context === undefined) continue;
    const now = await renderUp(context);
    if (now === undefined || sqlDigest(now) === before) continue;
    if (!(await isDynamic(source, context))) changed.set(name, now);
  }
  return changed;
}

/** Dynamic migrations have no SQL digest; other versions of the digest cannot be compared. */
function isComparable(migration: AppliedMigration): boolean {
  return migration.sqlDigest !== null && migration.digestVersion === DIGEST_VERSION;
}

/** True for output that depends on the database, the clock, randomness or the environment. */
async function isDynamic(source: MigrationSource, context: BuildContext): Promise<boolean> {
  const build = async () => {
    const steps = await renderUp(await reloadContext(source, context));
    return steps === undefined ? undefined : sqlDigest(steps);
  };
  const here = await build();
  if (here === undefined) return true;
  const elsewhere = await inAnotherWorld(build);
  return elsewhere.readEnvironment || elsewhere.result !== here;
}

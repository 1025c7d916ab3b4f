import { MigrationError, type MigrationSource } from "../../core/index.ts";
import { sqlDigest } from "../sql/digest.ts";
import { isEmptySql } from "../sql/split.ts";
import type { AppliedMigration } from "../store/read.ts";
import { type BuildContext, renderUp } from "./build.ts";
import { type LoadOptions, loadContexts } from "./load.ts";

/** New names by the old ones. */
export type Renames = ReadonlyMap<string, string>;

/**
 * Applied migrations whose file is there under another name, as a pending one: their SQL is the same, and no other's.
 * Asks the files only when one is gone and one is pending. Files that cannot be built are passed over.
 */
export async function findRenamed(
  source: MigrationSource,
  applied: readonly AppliedMigration[],
  options: LoadOptions,
): Promise<Renames> {
  const present = new Set(source.entries.map(({ name }) => name));
  const known = new Set(applied.map(({ name }) => name));
  const gone = applied.filter((m) => !present.has(m.name) && m.sqlDigest !== null);
  const pending = [...present].filter((name) => !known.has(name));
  if (gone.length === 0 || pending.length === 0) return new Map();
  const digests = new Map<string, string[]>();
  for (const [name, digest] of await digestPending(source, pending, options))
    digests.set(digest, [...(digests.get(digest) ?? []), name]);
  return new Map(
    gone.flatMap(({ name, sqlDigest: digest }) => {
      const [only, second] = digests.get(digest ?? "") ?? [];
      const twins = gone.filter((m) => m.sqlDigest === digest);
      return only === undefined || second !== undefined || twins.length > 1 ? [] : [[name, only] as const];
    }),
  );
}

async function digestPending(
  source: MigrationSource,
  names: readonly string[],
  options: LoadOptions,
): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  const quiet = { ...options, warn: () => {} };
  const contexts = await passingOver(() => loadContexts(source, names, quiet));
  for (const [name, context] of contexts ?? new Map<string, BuildContext>()) {
    const steps = await passingOver(() => renderUp(context));
    if (steps !== undefined && !isEmptySql(steps)) digests.set(name, sqlDigest(steps));
  }
  return digests;
}

async function passingOver<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MigrationError && error.code === "MIGRATION") return undefined;
    throw error;
  }
}

import { setImmediate as afterSending } from "node:timers/promises";
import { type Direction, MigrationError, type MigrationSource } from "../core/index.ts";
import { DIGEST_VERSION, isEmptySql, sqlDigest } from "../sql/index.ts";
import { readBaselines } from "./baselines.ts";
import type { AppliedMigration } from "./history/read.ts";
import type { MigrationCode } from "./load.ts";
import { inOrder, type LoadOptions, loadCode, reloadCode } from "./load.ts";
import { renderUp, renderWithoutDatabase } from "./render.ts";

/** The present SQL of changed migrations; undefined for SQL that is not known. */
export type ChangedMigrations = ReadonlyMap<string, readonly string[] | undefined>;

export type Digests = ReadonlyMap<string, string>;

/**
 * Digests of all files; undefined when a file cannot be read. Waits one turn of the event loop, so that a query is sent
 * first and the server works on it in the meantime.
 */
export async function digestAll(source: MigrationSource): Promise<Digests | undefined> {
  await afterSending();
  return source.digests(source.entries.map(({ name }) => name)).catch(() => undefined);
}

/** Digests of the files of applied migrations. A pending file that cannot be read fails when it is planned. */
export function digestApplied(
  source: MigrationSource,
  applied: readonly AppliedMigration[],
): Promise<Digests> {
  const names = new Set(applied.map(({ name }) => name));
  const present = source.entries.map(({ name }) => name).filter((name) => names.has(name));
  return source.digests(present);
}

/**
 * The applied migrations whose SQL differs from what was applied. Files are compared by digest; only a file that differs
 * is loaded, and then its SQL decides: comments, white space and line endings do not count. Where no SQL was recorded,
 * because code of an applied migration would have run for it, the text of the file decides.
 */
export async function findChanged(
  source: MigrationSource,
  applied: readonly AppliedMigration[],
  digests: Digests,
  options: LoadOptions,
): Promise<ChangedMigrations> {
  const recorded = applied.filter((m) => m.sourceDigest !== null && digests.has(m.name));
  const differing = recorded.filter((m) => digests.get(m.name) !== m.sourceDigest);
  const textOnly = differing.filter((m) => m.sqlDigest === null && m.digestVersion === null);
  const changed = new Map<string, readonly string[] | undefined>(
    textOnly.map(({ name }) => [name, undefined]),
  );
  const affected = await usingShorthandsOf(source, differing, recorded);
  const compared = recorded.filter((m) => isComparable(m) && (differing.includes(m) || affected.has(m.name)));
  for (const { name, sqlDigest: before } of compared) {
    const now = await currentSql(source, name, options);
    if (now === "dynamic" || (now !== undefined && sqlDigest(now.steps) === before)) continue;
    if (now === undefined) changed.set(name, undefined);
    else if (await isReproducible(source, { ...now, direction: "up" })) changed.set(name, now.steps);
  }
  return changed;
}

/**
 * Modules that may use a shorthand of a file that differs: all modules after it. Their own files do not show that, so
 * their SQL must be compared.
 */
async function usingShorthandsOf(
  source: MigrationSource,
  differing: readonly AppliedMigration[],
  recorded: readonly AppliedMigration[],
): Promise<ReadonlySet<string>> {
  if (differing.length === 0) return new Set();
  const sharing = new Set(await source.shorthandNames());
  const names = new Set(differing.map(({ name }) => name).filter((name) => sharing.has(name)));
  if (names.size === 0) return new Set();
  const order = inOrder(source);
  const first = order.findIndex(({ name }) => names.has(name));
  const recordedNames = new Set(recorded.map(({ name }) => name));
  const later = order
    .slice(first + 1)
    .filter(({ name, fileName }) => recordedNames.has(name) && !/\.sql$/i.test(fileName));
  return new Set(later.map(({ name }) => name));
}

/** Undefined for a file that can no longer be rendered: that is a change too, and must not hide other changes. */
async function currentSql(
  source: MigrationSource,
  name: string,
  options: LoadOptions,
): Promise<{ code: MigrationCode; steps: readonly string[] } | "dynamic" | undefined> {
  try {
    const code = (await loadCode(source, [name], { ...options, warn: () => {} })).get(name);
    const steps = code && (await renderUp(code));
    return code === undefined || steps === undefined ? "dynamic" : { code, steps };
  } catch (error) {
    if (error instanceof MigrationError && error.code === "MIGRATION") return undefined;
    throw error;
  }
}

/** Dynamic migrations have no SQL digest; other versions of the digest cannot be compared. */
function isComparable(migration: AppliedMigration): boolean {
  return migration.sqlDigest !== null && migration.digestVersion === DIGEST_VERSION;
}

/** Whether a second build gives the same SQL: random values and the time of day differ from build to build. */
export async function isReproducible(source: MigrationSource, built: BuiltSql): Promise<boolean> {
  const again = await renderWithoutDatabase(await reloadCode(source, built.code), built.direction);
  return again.kind === "static" && sqlDigest(again.steps) === sqlDigest(built.steps);
}

interface BuiltSql {
  readonly code: MigrationCode;
  readonly direction: Direction;
  readonly steps: readonly string[];
}

/** New names by old names. */
export type Renames = ReadonlyMap<string, string>;

/**
 * Finds applied migrations whose file was renamed: a pending migration has the same SQL, and no other one does. The files
 * that a baseline replaces were not renamed. Reads files only when one is missing and one is pending. Files that cannot be
 * rendered are ignored.
 */
export async function findRenamed(
  source: MigrationSource,
  applied: readonly AppliedMigration[],
  options: LoadOptions,
): Promise<Renames> {
  const present = new Set(source.entries.map(({ name }) => name));
  const appliedNames = new Set(applied.map(({ name }) => name));
  const pending = [...present].filter((name) => !appliedNames.has(name));
  if (pending.length === 0) return new Map();
  const replaced = new Set((await readBaselines(source)).flatMap((baseline) => baseline.replaced));
  const isMissing = (name: string) => !present.has(name) && !replaced.has(name);
  const missing = applied.filter((m) => isMissing(m.name) && m.sqlDigest !== null);
  if (missing.length === 0) return new Map();
  const digests = new Map<string, string[]>();
  for (const [name, digest] of await digestPending(source, pending, options))
    digests.set(digest, [...(digests.get(digest) ?? []), name]);
  return new Map(
    missing.flatMap(({ name, sqlDigest: digest }) => {
      const [only, second] = digests.get(digest ?? "") ?? [];
      const twins = missing.filter((m) => m.sqlDigest === digest);
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
  const codes = await ignoringBroken(() => loadCode(source, names, quiet));
  for (const [name, code] of codes ?? new Map<string, MigrationCode>()) {
    const steps = await ignoringBroken(() => renderUp(code));
    if (steps !== undefined && !isEmptySql(steps)) digests.set(name, sqlDigest(steps));
  }
  return digests;
}

async function ignoringBroken<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MigrationError && error.code === "MIGRATION") return undefined;
    throw error;
  }
}

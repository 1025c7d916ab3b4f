import { Hint, MigrationError, type MigrationSource } from "../core/index.ts";
import { DIGEST_VERSION, maskSecrets, sqlDigest } from "../sql/index.ts";
import { readRecord } from "./concurrent.ts";
import type { Context } from "./context.ts";
import type { PartialMigration, Stored } from "./history/read.ts";
import { readStoppedSql, type StoppedSql, statementsOf } from "./history/recorded-sql.ts";
import type { Existing } from "./history/tables.ts";
import type { PlannedMigration } from "./plan.ts";

/**
 * Names of the partial migrations that `up` goes on with by itself: they stopped at a concurrent statement whose end no run
 * has seen, and the catalog tells what became of it. One that has failed is for a person to look at.
 */
export function findResumable({ partial }: Pick<Stored, "partial">, source: MigrationSource): Set<string> {
  const present = new Set(source.entries.map(({ name }) => name));
  const found = partial.filter(
    ({ name, direction, errorCode, progress }) =>
      direction === "up" && errorCode === null && present.has(name) && readRecord(progress) !== undefined,
  );
  return new Set(found.map(({ name }) => name));
}

/** Who goes on: a run by itself, or a person who has looked at what is left behind and may have changed the file. */
export type ResumedBy = "run" | "person";

/**
 * Plans to go on with a partial migration after its last finished statement.
 * @throws MigrationError `CHANGED` when the finished statements are no longer the first of its file, `USAGE` when it has no
 * statements that could be counted
 */
export async function planResumed(
  { session, tables }: Pick<Context, "session" | "tables">,
  existing: Existing,
  planned: PlannedMigration,
  { name, statement: done, progress }: PartialMigration,
  by: ResumedBy,
): Promise<PlannedMigration> {
  const { rendered } = planned;
  const recorded = await readStoppedSql(session, tables, existing.identity, name);
  if (rendered.kind !== "static" || rendered.transactional || recorded?.statements === null)
    throw uncounted(name);
  const stopped = { name, done, steps: rendered.steps, recorded };
  const interrupted = readRecord(progress);
  const isSame = interrupted !== undefined && hasSameBeginning({ ...stopped, done: done + 1 });
  requireSameBeginning(interrupted !== undefined && by === "run" ? { ...stopped, done: done + 1 } : stopped);
  const resumed = { statement: done, interrupted: isSame ? interrupted : undefined };
  return { ...planned, resumed };
}

function uncounted(name: string): MigrationError {
  return new MigrationError("USAGE", `migration ${name} cannot be continued statement by statement`, {
    migration: name,
    hint: Hint.of`Finish it by hand, then resolve it as ${Hint.field("outcome", "applied")} or ${Hint.field("outcome", "reverted")}.`,
  });
}

/** A partial migration and its file as it is now. */
export interface Stopped {
  readonly name: string;
  /** Number of statements that finished. */
  readonly done: number;
  readonly steps: readonly string[];
  readonly recorded: StoppedSql | undefined;
}

/** Finished statements are skipped by their number, so they must still be the first ones of the file. */
function hasSameBeginning({ done, steps, recorded }: Stopped): boolean {
  if (recorded?.digestVersion === DIGEST_VERSION && recorded.sqlDigest === sqlDigest(steps)) return true;
  const before = recorded?.statements?.slice(0, done);
  return before !== undefined && before.length === done && digest(before) === digest(firstOf(steps, done));
}

/** @throws MigrationError `CHANGED` when the finished statements are no longer the first of the file */
export function requireSameBeginning(stopped: Stopped): void {
  if (hasSameBeginning(stopped)) return;
  const { name, done, steps, recorded } = stopped;
  const before = recorded?.statements?.slice(0, done) ?? null;
  const after = firstOf(steps, done);
  const which = done === 1 ? "the statement that has" : `the ${done} statements that have`;
  throw new MigrationError("CHANGED", `${which} run of ${name} are no longer the first of its file`, {
    migration: name,
    changes: [{ migration: name, before, after }],
    hint: Hint.of`Put them back as they were: what comes after them may change. Or undo by hand what they did, then ${Hint.command("resolve", { migration: name, outcome: "reverted" })} and ${Hint.command("up")}.`,
  });
}

function firstOf(steps: readonly string[], count: number): readonly string[] {
  return statementsOf(steps.map(maskSecrets)).slice(0, count);
}

/** The number of asterisks in a mask differs between versions of this tool. */
function digest(statements: readonly string[]): string {
  return sqlDigest(statements.map((text) => text.replace(/\*{3,}/g, "***")));
}

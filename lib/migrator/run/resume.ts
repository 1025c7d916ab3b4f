import { MigrationError } from "../../core/index.ts";
import { DIGEST_VERSION, sqlDigest } from "../sql/digest.ts";
import { maskSecrets } from "../sql/mask.ts";
import { type StoppedSql, statementsOf } from "../store/stopped.ts";

/** A migration that stopped half-way, and its file as it is now. */
export interface Stopped {
  readonly name: string;
  /** Number of statements that finished. */
  readonly done: number;
  readonly steps: readonly string[];
  readonly recorded: StoppedSql | undefined;
}

/**
 * Statements are skipped by their number: those that have run must still be the first of the file.
 * @throws MigrationError `CHANGED` when they are not
 */
export function requireSameBeginning({ name, done, steps, recorded }: Stopped): void {
  if (recorded?.digestVersion === DIGEST_VERSION && recorded.sqlDigest === sqlDigest(steps)) return;
  const before = recorded?.statements?.slice(0, done);
  const after = statementsOf(steps.map(maskSecrets)).slice(0, done);
  if (before !== undefined && before.length === done && digest(before) === digest(after)) return;
  const which = done === 1 ? "the statement that has" : `the ${done} statements that have`;
  throw new MigrationError("CHANGED", `${which} run of ${name} are no longer the first of its file`, {
    migration: name,
    changes: [{ migration: name, before: before ?? null, after }],
    hint: `Put them back as they were: what comes after them may change. Or undo by hand what they did, then \`resolve ${name} --reverted\` and \`up\`.`,
  });
}

/** How many asterisks a mask has differs between versions of this tool. */
function digest(statements: readonly string[]): string {
  return sqlDigest(statements.map((text) => text.replace(/\*{3,}/g, "***")));
}

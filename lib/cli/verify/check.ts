import { type ErrorCode, MigrationError } from "../../migrator/index.ts";
import { type Catalog, diffCatalogs } from "../catalog/index.ts";
import type { Bench } from "./bench.ts";
import type { VerifiedMigration, VerifyError, VerifyStep } from "./report.ts";

export interface Checked {
  readonly result: VerifiedMigration;
  /** What the next migration starts from; undefined when the database is not fit for another one. */
  readonly after: Catalog | undefined;
}

/** One migration up, down and up again. */
export async function checkMigration(
  bench: Bench,
  name: string,
  reason: string | undefined,
  before: Catalog,
): Promise<Checked> {
  const failed = (found: Pick<VerifiedMigration, "diff" | "error">, after?: Catalog): Checked => ({
    result: { name, status: "failed", ...found },
    after,
  });
  const wentUp = await attempt("up", () => bench.up(name));
  if (wentUp !== undefined) return failed({ error: wentUp });
  const up = await bench.snapshot();
  if (reason !== undefined) return { result: { name, status: "irreversible", reason }, after: up };

  const wentDown = await attempt("down", () => bench.down());
  // An irreversible one is refused before anything of it runs.
  if (wentDown?.code === "IRREVERSIBLE") return failed({ error: undeclared(wentDown) }, up);
  if (wentDown !== undefined) return failed({ error: wentDown });
  const leftovers = headed("After down, unlike before up:", before, await bench.snapshot());

  const wentUpAgain = await attempt("up again", () => bench.up(name));
  if (wentUpAgain !== undefined) return failed({ ...diffOf(leftovers), error: wentUpAgain });
  const again = await bench.snapshot();
  const diffs = [...leftovers, ...headed("After down and up again, unlike after the first up:", up, again)];
  return diffs.length > 0
    ? failed(diffOf(diffs), again)
    : { result: { name, status: "reversible" }, after: again };
}

/** What a migration can be at fault for; everything else ends the command. */
const OWN_FAULTS: readonly ErrorCode[] = [
  "SQL",
  "MIGRATION",
  "IRREVERSIBLE",
  "LOCK_TIMEOUT",
  "PARTIAL",
  "CHANGED",
  "MISSING",
  "ORDER",
];

export async function attempt(step: VerifyStep, work: () => Promise<void>): Promise<VerifyError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof MigrationError) || !OWN_FAULTS.includes(error.code)) throw error;
    const { hint } = error.details;
    return { step, code: error.code, message: error.message, ...(hint === undefined ? {} : { hint }) };
  }
}

function undeclared(error: VerifyError): VerifyError {
  return {
    ...error,
    hint: 'Give it a way down, or say why there is none: `export const irreversible = "the reason"`, in SQL `-- irreversible: the reason`.',
  };
}

function headed(title: string, wanted: Catalog, found: Catalog): string[] {
  const diff = diffCatalogs(wanted, found);
  return diff === "" ? [] : [`${title}\n${diff}`];
}

function diffOf(diffs: readonly string[]): { diff?: string } {
  return diffs.length === 0 ? {} : { diff: diffs.join("\n") };
}

import { ERRORS, MigrationError } from "../../core/index.ts";
import { HOW_TO_DECLARE } from "../../migrator/index.ts";
import { type Catalog, diffCatalogs, withoutColumnOrder } from "../catalog/index.ts";
import type { Bench } from "./bench.ts";
import type { VerifiedMigration, VerifyError, VerifyStep } from "./report.ts";

export interface Checked {
  readonly result: VerifiedMigration;
  /** What the next migration starts from; undefined when the database is not fit for another one. */
  readonly after: Catalog | undefined;
  /** True when it was stopped before it was applied, so that those after it have to do without. */
  readonly skipped?: boolean;
}

export interface CheckRequest {
  readonly name: string;
  /** Why it says that it cannot be undone. */
  readonly irreversible: string | undefined;
  readonly before: Catalog;
  /** Names of the migrations before it that were not run. */
  readonly skipped: readonly string[];
}

/** One migration up, down and up again. */
export async function checkMigration(bench: Bench, request: CheckRequest): Promise<Checked> {
  const { name, irreversible: reason, before, skipped } = request;
  const wentUp = await attempt("up", () => bench.up(name));
  const notUp = bench.refusal ?? (wentUp && dependsOn(skipped, wentUp));
  if (notUp !== undefined && wentUp !== undefined) return unchecked(name, notUp, { skipped: true });
  if (wentUp !== undefined) return { result: { name, status: "failed", error: wentUp }, after: undefined };
  const up = await bench.snapshot();
  if (notUp !== undefined) return unchecked(name, notUp, { after: up });
  if (reason !== undefined) return { result: { name, status: "irreversible", reason }, after: up };
  return checkDown(bench, name, before, up);
}

async function checkDown(bench: Bench, name: string, before: Catalog, up: Catalog): Promise<Checked> {
  const failed = (found: Pick<VerifiedMigration, "diff" | "error">, after?: Catalog): Checked => ({
    result: { name, status: "failed", ...found },
    after,
  });
  const wentDown = await attempt("down", () => bench.down());
  if (bench.refusal !== undefined) return unchecked(name, bench.refusal, {});
  // An irreversible one is refused before anything of it runs.
  if (wentDown?.code === "IRREVERSIBLE") return failed({ error: undeclared(wentDown) }, up);
  if (wentDown !== undefined) return failed({ error: wentDown });
  const down = await bench.snapshot();
  const leftovers = headed("After down, unlike before up:", before, down);

  const wentUpAgain = await attempt("up again", () => bench.up(name));
  if (bench.refusal !== undefined) return unchecked(name, bench.refusal, {});
  if (wentUpAgain !== undefined) return failed({ ...diffOf(leftovers), error: wentUpAgain });
  const again = await bench.snapshot();
  const diffs = [...leftovers, ...headed("After down and up again, unlike after the first up:", up, again)];
  if (diffs.length > 0) return failed(diffOf(diffs), again);
  const changedNothing = diffCatalogs(before, up) === "";
  const status = changedNothing && (await bench.downIsEmpty()) ? "empty-down" : "reversible";
  return { result: { name, status, ...orderNote(before, down) }, after: again };
}

function unchecked(name: string, reason: string, end: Partial<Checked>): Checked {
  return { result: { name, status: "unchecked", reason }, after: undefined, ...end };
}

/** Where something was left out, a failure need not be the migration's own. */
function dependsOn(skipped: readonly string[], { message }: VerifyError): string | undefined {
  if (skipped.length === 0) return undefined;
  const [was, names] = [skipped.length === 1 ? "was" : "were", skipped.join(", ")];
  return `it failed, and may need what was left out, because ${names} ${was} not run: ${message}`;
}

/** Returns the error that the migration is at fault for; any other ends the command. */
export async function attempt(step: VerifyStep, work: () => Promise<void>): Promise<VerifyError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof MigrationError) || ERRORS[error.code].fault !== "migrations") throw error;
    const { hint } = error.details;
    return { step, code: error.code, message: error.message, ...(hint === undefined ? {} : { hint }) };
  }
}

function undeclared(error: VerifyError): VerifyError {
  return {
    ...error,
    hint: `Give it a way down, or say why there is none: ${HOW_TO_DECLARE}.`,
  };
}

function headed(title: string, wanted: Catalog, found: Catalog): string[] {
  const diff = diffCatalogs(withoutColumnOrder(wanted), withoutColumnOrder(found));
  return diff === "" ? [] : [`${title}\n${diff}`];
}

/** Tables whose columns are all there after the down, in another order than before the up. */
function orderNote(before: Catalog, after: Catalog): { note?: string } {
  const old = new Map(before.objects.map(({ kind, name, definition }) => [`${kind} ${name}`, definition]));
  const tables = after.objects
    .filter(({ kind }) => kind === "table")
    .filter(({ kind, name, definition }) => old.get(`${kind} ${name}`)?.join("\n") !== definition.join("\n"))
    .map(({ name }) => name);
  return tables.length === 0
    ? {}
    : { note: `the columns of ${tables.join(", ")} have another order than before` };
}

function diffOf(diffs: readonly string[]): { diff?: string } {
  return diffs.length === 0 ? {} : { diff: diffs.join("\n") };
}

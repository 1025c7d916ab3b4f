import { ERRORS, type ErrorCode, MigrationError } from "../../core/index.ts";
import { HOW_TO_DECLARE } from "../../engine/index.ts";
import { type Catalog, diffCatalogs, withoutColumnOrder } from "../catalog/index.ts";
import type { TrialDatabase } from "./trial-database.ts";

/** The three runs of each migration. */
export type VerifyStep = "up" | "down" | "up again";

export interface VerifyError {
  readonly step: VerifyStep;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

export interface VerifiedMigration {
  readonly name: string;
  /**
   * `irreversible`: declared with a reason. `empty-down`: its down sends nothing, so changed rows stay changed.
   * `unchecked`: stopped or not run; it has no reason if an earlier migration failed.
   */
  readonly status: "reversible" | "irreversible" | "empty-down" | "failed" | "unchecked";
  /** Why it cannot be undone, or why it was not checked. */
  readonly reason?: string;
  /** A harmless difference. */
  readonly note?: string;
  /** The differences of the database from the expected state, as text for people. */
  readonly diff?: string;
  readonly error?: VerifyError;
}

export interface VerifyReport {
  /** In running order. */
  readonly migrations: readonly VerifiedMigration[];
  /** True if nothing failed and everything was checked. */
  readonly ok: boolean;
  /** How to check the unchecked migrations. */
  readonly hint?: string;
  readonly durationMs: number;
  /** The scratch database, if it was kept. */
  readonly kept?: { readonly host: string; readonly port: number; readonly database: string };
}

export interface CheckResult {
  readonly result: VerifiedMigration;
  /** The state from which the next migration starts; undefined if the database cannot be used any more. */
  readonly after: Catalog | undefined;
  /** True if it was stopped before it was applied, so that later migrations run without it. */
  readonly skipped?: boolean;
}

export interface CheckRequest {
  readonly name: string;
  /** The declared reason why it cannot be undone. */
  readonly irreversible: string | undefined;
  readonly before: Catalog;
  /** Names of earlier migrations that were not run. */
  readonly skipped: readonly string[];
}

/** Runs one migration up, down and up again. */
export async function checkMigration(trial: TrialDatabase, request: CheckRequest): Promise<CheckResult> {
  const { name, irreversible: reason, before, skipped } = request;
  const wentUp = await attempt("up", () => trial.up(name));
  const notUp = trial.refusal ?? (wentUp && dependsOn(skipped, wentUp));
  if (notUp !== undefined && wentUp !== undefined) return unchecked(name, notUp, { skipped: true });
  if (wentUp !== undefined) return { result: { name, status: "failed", error: wentUp }, after: undefined };
  const up = await trial.snapshot();
  if (notUp !== undefined) return unchecked(name, notUp, { after: up });
  if (reason !== undefined) return { result: { name, status: "irreversible", reason }, after: up };
  return checkDown(trial, name, before, up);
}

async function checkDown(
  trial: TrialDatabase,
  name: string,
  before: Catalog,
  up: Catalog,
): Promise<CheckResult> {
  const failed = (problem: Pick<VerifiedMigration, "diff" | "error">, after?: Catalog): CheckResult => ({
    result: { name, status: "failed", ...problem },
    after,
  });
  const wentDown = await attempt("down", () => trial.down());
  if (trial.refusal !== undefined) return unchecked(name, trial.refusal, {});
  // The engine refuses an irreversible migration before it runs anything.
  if (wentDown?.code === "IRREVERSIBLE") return failed({ error: undeclared(wentDown) }, up);
  if (wentDown !== undefined) return failed({ error: wentDown });
  const down = await trial.snapshot();
  const leftovers = diffUnder("After down, unlike before up:", before, down);

  const wentUpAgain = await attempt("up again", () => trial.up(name));
  if (trial.refusal !== undefined) return unchecked(name, trial.refusal, {});
  if (wentUpAgain !== undefined) {
    return failed({ ...diffOf(leftovers), error: { ...wentUpAgain, hint: INCOMPLETE_DOWN } });
  }
  const again = await trial.snapshot();
  const diffs = [
    ...leftovers,
    ...diffUnder("After down and up again, unlike after the first up:", up, again),
  ];
  if (diffs.length > 0) return failed(diffOf(diffs), again);
  const changedNothing = diffCatalogs(before, up) === "";
  const status = changedNothing && (await trial.downIsEmpty()) ? "empty-down" : "reversible";
  return { result: { name, status, ...orderNote(before, down) }, after: again };
}

const INCOMPLETE_DOWN =
  "The first up succeeded: correct the down, which has not led back to the state before it.";

/** What the server says when something exists already: on a scratch database, nothing was made by hand. */
const EXISTS = ["42P07", "42701", "42710", "42723", "42P06"];
const MADE_BEFORE = "A migration before this one, or the template of new databases, has made it already.";

function unchecked(name: string, reason: string, end: Partial<CheckResult>): CheckResult {
  return { result: { name, status: "unchecked", reason }, after: undefined, ...end };
}

/** A failure may be caused by an earlier migration that was not run. */
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
    const { sqlstate = "" } = error.details;
    const hint = EXISTS.includes(sqlstate) ? MADE_BEFORE : error.details.hint;
    return {
      step,
      code: error.code,
      message: error.message,
      ...(hint === undefined ? {} : { hint: String(hint) }),
    };
  }
}

function undeclared(error: VerifyError): VerifyError {
  return {
    ...error,
    hint: `Give it a way down, or say why there is none: ${HOW_TO_DECLARE}.`,
  };
}

function diffUnder(title: string, expected: Catalog, actual: Catalog): string[] {
  const diff = diffCatalogs(withoutColumnOrder(expected), withoutColumnOrder(actual));
  return diff === "" ? [] : [`${title}\n${diff}`];
}

/** Names the tables whose columns have another order after the down than before the up. */
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

import { createHash } from "node:crypto";
import { type ErrorDetails, MigrationError } from "./errors.ts";
import type { DownSource, PlannedStep, PlanReport } from "./report.ts";

/** The plan that a person has approved. */
export interface ApprovedPlan extends Pick<PlanReport, "action" | "head" | "schema" | "steps"> {
  readonly digest: string;
  /** Of a plan of `up` that does not take all that is pending: as far as and including this migration. */
  readonly to?: string | undefined;
  /** Of a plan that undoes: which SQL was asked for. */
  readonly from?: DownSource | undefined;
}

/** What a run is held to: the digest of a plan, or the plan itself, which can be compared step by step. */
export type Approval = string | ApprovedPlan;

/** Part of the digest; must be increased when the digest covers other things. */
const DIGEST_FORMAT = 1;

/**
 * SHA-256 (hex) over the names, directions and SQL of all steps, the head before them, and the search path. Not over the
 * name and address of the database: a plan is good for each database that has the same head and needs the same SQL.
 * Secrets in the SQL are masked before, so that the digest tells nothing about them.
 */
export function planDigest({ head, schema, steps }: Pick<PlanReport, "head" | "schema" | "steps">): string {
  return sha256(JSON.stringify([DIGEST_FORMAT, head, schema, steps.map(coveredOf)]));
}

/** What an approval covers of a step. The SQL of a dynamic migration is known when it runs, its file is known before. */
export function coveredOf({ migration, direction, transactional, dynamic, note, digest }: PlannedStep) {
  return [migration, direction, dynamic ? "dynamic" : transactional, note !== undefined, digest];
}

/** The text of a plan file: JSON with a checksum, so that an edit does not go unnoticed. */
export function sealPlan(content: object): string {
  return `${JSON.stringify({ ...content, checksum: checksumOf(content) }, undefined, 2)}\n`;
}

/**
 * Reads the text of a plan file.
 * @throws MigrationError `USAGE` for what is not JSON, and for a file that was edited
 */
export function openPlan(text: string, file: string): object {
  const { checksum, ...content } = parseObject(text, file);
  if (checksum === checksumOf(content)) return content;
  if (checksum === undefined) throw notAPlan(file, "is not a plan", { hint: OTHER_FILE });
  throw notAPlan(file, "was edited after it was written");
}

function parseObject(text: string, file: string): { readonly checksum?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    throw notAPlan(file, "is not JSON", { hint: OTHER_FILE, cause });
  }
  throw notAPlan(file, "is not a plan", { hint: OTHER_FILE });
}

const OTHER_FILE = "Give a file that `plan --out` has written.";

/** The error for a file that cannot be taken for a plan. */
export function notAPlan(
  file: string,
  what: string,
  details: Pick<ErrorDetails, "hint" | "cause"> = {},
): MigrationError {
  const hint = "Write it again with `plan --out`, and have that approved.";
  return new MigrationError("USAGE", `${file} ${what}`, { hint, ...details });
}

/** White space does not count: a formatter may change it. */
function checksumOf(content: object): string {
  return sha256(JSON.stringify(content));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

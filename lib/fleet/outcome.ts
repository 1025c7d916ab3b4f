import * as v from "valibot";
import { errorMessage, type Finding, given, MigrationError } from "../core/index.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Outcomes are written to files by one function and read by another. */
export const OUTCOME = v.strictObject({
  /** Name of the target. */
  target: v.string(),
  /** `untouched`: the command never reached it, because the waves stopped before. */
  outcome: v.picklist(["done", "failed", "untouched"]),
  /** Of a failure: an error code, or the name of an error of AWS. Of a target that was only read: why `up` would refuse. */
  code: v.exactOptional(v.string()),
  message: v.exactOptional(v.string()),
  /** The migration that failed. */
  migration: v.exactOptional(v.string()),
  /** What was only mentioned, such as what the pre-flight check found; at most five. */
  warnings: v.exactOptional(v.array(v.string())),
  /** Newest applied migration; null when none is applied, absent when that is not known. */
  head: v.exactOptional(v.nullable(v.string())),
  /** How many migrations the command applied or undid. */
  completed: count,
  /** How many are pending now, without contracts that wait; absent when that is not known. */
  pending: v.exactOptional(count),
});

/** What became of one target. */
export type Outcome = v.InferOutput<typeof OUTCOME>;

/** Longer messages are cut: a fleet has many of them, and a target's own history and log have the whole. */
const MESSAGE_LIMIT = 1_000;

/** What was read of a target after its command had failed. */
export interface KnownState {
  readonly head?: string | null | undefined;
  readonly pending?: number | undefined;
}

const WARNINGS_LIMIT = 5;

/** The warnings of an outcome, where there are any. */
export function warningsOf(findings: readonly Finding[]): Pick<Outcome, "warnings"> {
  if (findings.length === 0) return {};
  return { warnings: findings.slice(0, WARNINGS_LIMIT).map(({ message }) => shortened(message)) };
}

/** The outcome of a target whose command failed. */
export function failedOutcome(target: string, error: unknown, known: KnownState = {}): Outcome {
  const isTyped = error instanceof MigrationError;
  const { applied = [], undone = [], migration } = isTyped ? error.details : {};
  return {
    target,
    outcome: "failed",
    code: isTyped ? error.code : "INTERNAL",
    message: shortened(errorMessage(error)),
    completed: applied.length + undone.length,
    ...given({ ...known, migration }),
  };
}

function shortened(text: string): string {
  return text.length > MESSAGE_LIMIT ? `${text.slice(0, MESSAGE_LIMIT)}…` : text;
}

export function untouchedOutcome(target: string): Outcome {
  return { target, outcome: "untouched", completed: 0 };
}

/** Targets with the same newest migration. */
export interface VersionCount {
  /** Null: nothing is applied. */
  readonly head: string | null;
  readonly count: number;
  /** How many of them have migrations pending. */
  readonly behind: number;
}

/** The result of a command on a fleet. */
export interface FleetSummary {
  /** Every target was reached, and no more failed than are tolerated. */
  readonly ok: boolean;
  readonly counts: Readonly<Record<Outcome["outcome"], number>>;
  /** The most frequent first; targets whose head is not known are in none. */
  readonly versions: readonly VersionCount[];
  readonly failed: readonly Outcome[];
}

export function summarize(outcomes: readonly Outcome[], tolerated: number): FleetSummary {
  const of = (kind: Outcome["outcome"]) => outcomes.filter(({ outcome }) => outcome === kind);
  const [done, failed, untouched] = [of("done"), of("failed"), of("untouched")];
  return {
    ok: failed.length <= tolerated && untouched.length === 0,
    counts: { done: done.length, failed: failed.length, untouched: untouched.length },
    versions: countVersions(outcomes),
    failed,
  };
}

function countVersions(outcomes: readonly Outcome[]): readonly VersionCount[] {
  const versions = new Map<string | null, { count: number; behind: number }>();
  for (const { head, pending = 0 } of outcomes) {
    if (head === undefined) continue;
    const { count, behind } = versions.get(head) ?? { count: 0, behind: 0 };
    versions.set(head, { count: count + 1, behind: behind + (pending > 0 ? 1 : 0) });
  }
  return [...versions]
    .map(([head, counts]) => ({ head, ...counts }))
    .toSorted((a, b) => b.count - a.count || (a.head ?? "").localeCompare(b.head ?? "", "en"));
}

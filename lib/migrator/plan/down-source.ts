import type { DownSource, ErrorCode } from "../../core/index.ts";

/** What either side has to offer for undoing one migration. */
export interface DownFacts {
  /** `absent`: no such file; `irreversible`: it has no way down. */
  readonly file: "absent" | "irreversible" | "dynamic" | "static";
  /** `superseded`: stored before a `repair` accepted the file as it is now. */
  readonly history: "none" | "stored" | "superseded";
  /** Whether the two give the same SQL; of no meaning unless both have some. */
  readonly agree: boolean;
}

export type DownDecision =
  /** `preferred`: the two disagree, and this one was taken because the caller prefers it. */
  | { readonly source: DownSource; readonly preferred?: true }
  | { readonly refusal: ErrorCode; readonly reason: string; readonly hint: string };

/** How a disagreement is settled. */
export interface DownChoice {
  /** By a person: this one, or none. */
  readonly from?: DownSource | undefined;
  /** Take what was recorded where the file disagrees with it. */
  readonly preferHistory?: boolean | undefined;
}

/** Decides for one migration. A disagreement is for a person to settle, unless a caller prefers the history. */
export function decideDown(facts: DownFacts, { from, preferHistory }: DownChoice): DownDecision {
  const decision = decideByFacts(facts, from);
  const disagree = "refusal" in decision && decision.refusal === "CHANGED";
  return disagree && preferHistory ? { source: "history", preferred: true } : decision;
}

function decideByFacts(facts: DownFacts, from: DownSource | undefined): DownDecision {
  if (from === "history") return facts.history === "none" ? NOTHING_STORED : { source: "history" };
  if (facts.file === "absent") {
    if (from === "file") return NO_FILE;
    return facts.history === "none" ? NEITHER : { source: "history" };
  }
  const alone = from === "file" || facts.history !== "stored";
  if (facts.file === "irreversible") return alone ? IRREVERSIBLE : DISAGREE;
  return alone || (facts.file === "static" && facts.agree) ? { source: "file" } : DISAGREE;
}

const NOTHING_STORED = {
  refusal: "MISSING",
  reason: "the history holds no SQL to undo it",
  hint: "Undo it with its file: leave --from history out.",
} as const;

const NO_FILE = {
  refusal: "MISSING",
  reason: "there is no file to undo it with",
  hint: "Bring the file back, or leave --from file out to use the SQL stored when it was applied.",
} as const;

const NEITHER = {
  refusal: "MISSING",
  reason: "there is no file to undo it with, and the history holds no SQL",
  hint: "Bring the file back, or check out the version of the code that has it.",
} as const;

const IRREVERSIBLE = {
  refusal: "IRREVERSIBLE",
  reason: "it has no way down",
  hint: 'Add a down section or function to it, or write a new migration that undoes it. A file says why it cannot be undone: export const irreversible = "the reason", in SQL the comment -- irreversible: the reason.',
} as const;

const DISAGREE = {
  refusal: "CHANGED",
  reason: "its file would undo it otherwise than was recorded when it was applied",
  hint: "`down --from history` undoes what was applied, as it was recorded; `down --from file` runs the down of the file as it is now. `plan --down` with either of them shows its SQL.",
} as const;

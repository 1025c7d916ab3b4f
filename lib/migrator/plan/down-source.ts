import type { ErrorCode } from "../errors.ts";

/** Where the SQL that undoes a migration is taken from. */
export type DownSource = "file" | "history";

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
  | { readonly source: DownSource }
  | { readonly refusal: ErrorCode; readonly reason: string; readonly hint: string };

/** Decides for one migration. A disagreement is for a person to settle: `from` says how. */
export function decideDown(facts: DownFacts, from: DownSource | undefined): DownDecision {
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
  hint: "Look at both with `plan --down --from file` and `plan --down --from history`, then say which one to `down`.",
} as const;

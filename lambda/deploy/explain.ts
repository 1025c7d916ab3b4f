import type { Decision } from "./decide.ts";

export const OTHER_CODE =
  "the event is about another version of the migrations, or of the options, than this code has";

/** Why it was decided so, for the log. */
export function explain(decision: Decision): Readonly<Record<string, string>> {
  switch (decision.kind) {
    case "run":
      return { because: "the migrations of this stack are to be applied" };
    case "undo":
      return { because: "the stack returns to older migrations", bundle: decision.bundle };
    case "keep":
      return { because: "the stack returns to older migrations, and onRollback is keep" };
    case "refuse":
      return { because: OTHER_CODE };
    case "nothing":
      return { because: NOTHING[decision.why] };
  }
}

const NOTHING = {
  delete: "the stack or its migrations are being deleted; the database keeps what it has",
  mismatch: OTHER_CODE,
} as const;

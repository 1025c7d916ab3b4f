import type { Decision } from "./decide.ts";

export const OTHER_CODE =
  "the event is about another version of the migrations, or of the options, than this code has";

/** Why it was decided so, for the log. */
export function explain(decision: Decision): Readonly<Record<string, string>> {
  switch (decision.kind) {
    case "run":
      return {
        because: decision.fails ? "a deploy applies what is pending" : "the rollback goes to newer ones",
      };
    case "undo":
      return { because: "the stack returns to older migrations", bundle: decision.bundle };
    case "check":
      return { because: "the stack returns to an older head, with migrations that are new to it" };
    case "keep":
      return { because: KEEP[decision.why] };
    case "refuse":
    case "look":
      return { because: OTHER_CODE };
  }
}

const KEEP = {
  delete: "the stack or its migrations are being deleted; the database keeps what it has",
  rollback: "the stack rolls back, and there is nothing to undo",
  older: "the stack returns to older migrations, and onRollback is keep",
} as const;

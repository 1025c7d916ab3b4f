import { describe, expect, it } from "@jest/globals";
import type { DownSource } from "../../../lib/core/index.ts";
import { type DownFacts, decideDown } from "../../../lib/engine/plan.ts";

type Row = [
  file: DownFacts["file"],
  history: DownFacts["history"],
  agree: boolean,
  from: DownSource | undefined,
  outcome: string,
];

describe("where the SQL to undo comes from", () => {
  it.each<Row>([
    ["static", "stored", true, undefined, "file"],
    ["static", "stored", false, undefined, "CHANGED"],
    ["static", "stored", false, "file", "file"],
    ["static", "stored", false, "history", "history"],
    ["static", "none", false, undefined, "file"],
    ["static", "none", false, "history", "MISSING"],
    ["dynamic", "none", false, undefined, "file"],
    ["dynamic", "stored", false, undefined, "CHANGED"],
    ["dynamic", "stored", false, "file", "file"],
    ["irreversible", "none", false, undefined, "IRREVERSIBLE"],
    ["irreversible", "stored", false, undefined, "CHANGED"],
    ["irreversible", "stored", false, "file", "IRREVERSIBLE"],
    ["irreversible", "stored", false, "history", "history"],
    ["absent", "stored", false, undefined, "history"],
    ["absent", "stored", false, "file", "MISSING"],
    ["absent", "none", false, undefined, "MISSING"],
    ["absent", "none", false, "history", "MISSING"],
  ])(
    "with a %s file, %s history, agreement %s and --from %s, decideDown answers %s",
    (file, history, agree, from, outcome) => {
      const decision = decideDown({ file, history, agree }, { from });
      expect("source" in decision ? decision.source : decision.refusal).toBe(outcome);
    },
  );

  it.each([
    ["static", "stored", false, "history"],
    ["irreversible", "stored", false, "history"],
    ["dynamic", "stored", false, "history"],
    ["static", "stored", true, "file"],
    ["static", "none", false, "file"],
    ["static", "superseded", false, "file"],
    ["absent", "superseded", false, "history"],
    ["irreversible", "none", false, "IRREVERSIBLE"],
  ] as const)(
    "with a %s file, %s history, agreement %s and the history preferred, decideDown answers %s",
    (file, history, agree, outcome) => {
      const decision = decideDown({ file, history, agree }, { preferHistory: true });
      expect("source" in decision ? decision.source : decision.refusal).toBe(outcome);
    },
  );
});

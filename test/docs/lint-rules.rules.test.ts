import { describe, expect, test } from "@jest/globals";
import { OWN_RULE_NAMES } from "../../lib/review/lint/rules.ts";
import { SQUAWK_RULES } from "../../lib/review/lint/squawk-rules.ts";
import { readPage } from "./markdown.ts";

describe("docs/linting.md", () => {
  test("docs/linting.md has an entry for every lint rule, under the anchor that findings name, and no other", () => {
    const entries = [...readPage("docs/linting.md").text.matchAll(/^#### (.+)$/gm)].map(
      ([, name = ""]) => name,
    );
    expect(entries.toSorted()).toEqual([...OWN_RULE_NAMES, ...Object.keys(SQUAWK_RULES)].toSorted());
  });
});

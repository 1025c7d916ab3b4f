import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { OWN_RULE_NAMES } from "../../lib/review/lint/rules.ts";
import { REPOSITORY } from "./markdown.ts";

describe("docs/migrations.md", () => {
  test("docs/migrations.md lists every lint rule of this project, and no other", () => {
    const page = readFileSync(join(REPOSITORY, "docs/migrations.md"), "utf8");
    const table = page.slice(page.indexOf("| Rule "), page.indexOf("What is dangerous for a table in use"));
    const listed = table
      .split("\n")
      .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([\w-]+)`/g)].map(([, name = ""]) => name));
    expect(listed.sort()).toEqual([...OWN_RULE_NAMES].sort());
  });
});

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { REPOSITORY, readPage } from "./markdown.ts";

const SCRIPT = join(REPOSITORY, "scripts", "constructs-page.mjs");

test("docs/constructs.md is what `npm run docs` makes of the docstrings", () => {
  const made = execFileSync(process.execPath, [SCRIPT, "--stdout"], { encoding: "utf8" });
  expect(readPage("docs/constructs.md").text).toBe(made);
});

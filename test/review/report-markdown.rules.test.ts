import { expect, test } from "@jest/globals";
import { renderMarkdown } from "../../lib/review/report/index.ts";
import { FULL_REPORT, HOSTILE } from "./report-model.ts";

const page = renderMarkdown(FULL_REPORT);

/** What GitHub reads as Markdown: without blocks and spans of code. */
const outsideCode = page.replace(/(`+)[\s\S]*?(?<!`)\1(?!`)/g, "");

test("the Markdown report shows what was measured", () => {
  expect(page).toMatch(
    /^Measured on this database, and rolled back:\n\n- not measured to its end: .*\n- ACCESS EXCLUSIVE on .*\\\(41 M rows, 18 GB\\\) for at least 12 ms: blocks reads and writes; no rewrite$/m,
  );
});

test("the Markdown report escapes names and messages outside of code", () => {
  expect(outsideCode.match(/<[^>]*>/g)).toEqual([
    "<details>",
    "<summary>",
    "</summary>",
    "</details>",
    "<details>",
    "<summary>",
    "</summary>",
    "</details>",
  ]);
  expect(page).toContain(`## 1. \`${HOSTILE}\``);
});

test("the Markdown report keeps SQL with backticks in one block", () => {
  const [first] = FULL_REPORT.pending;
  const pending = first === undefined ? [] : [{ ...first, sql: ["SELECT '```\n# no heading';"] }];
  expect(renderMarkdown({ ...FULL_REPORT, pending })).toContain("````sql\nSELECT '```\n# no heading';\n````");
});

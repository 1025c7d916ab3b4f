import { expect, test } from "@jest/globals";
import { renderMarkdown } from "../../lib/review/report/index.ts";
import { FULL_REPORT, HOSTILE } from "./report-model.ts";

const page = renderMarkdown(FULL_REPORT);

/** What GitHub reads as Markdown: without blocks and spans of code. */
const outsideCode = page.replace(/(`+)[\s\S]*?(?<!`)\1(?!`)/g, "");

test("the Markdown report shows measured locks as a table", () => {
  expect(page).toMatch(
    /\| locked \| lock \| blocks \| for \|\n\|[ -|]+\n\| `a_name.*` \| `AccessExclusiveLock` \| reads and writes \| 12 ms \|/,
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

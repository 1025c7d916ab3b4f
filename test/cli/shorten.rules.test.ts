import { expect, it } from "@jest/globals";
import { shorten } from "../../lib/cli/github/shorten.ts";

const sizeOf = (text: string) => text.length;
const note = "left out.";
const LONG = Array.from({ length: 50 }, (_, n) => `line ${n}`).join("\n\n");

it("a page that fits stays as it is", () => {
  expect(shorten("a\n\n\nb\n", { limit: 6, sizeOf, note })).toBe("a\n\n\nb\n");
});

it("the longest blocks are left out first, each with a note, until the page fits", () => {
  const page = `# Title\n\n\`\`\`sql\n${LONG}\n\`\`\`\n\nshort\n\n<details><summary>more</summary>\n\n${LONG}\n\n${LONG}\n\n</details>\n\nend\n`;
  const shorter = shorten(page, { limit: page.length - 1, sizeOf, note });
  expect(shorter).toContain(LONG);
  expect(shorter).toMatch(/^# Title\n\n```sql[\s\S]*```\n\nshort\n\n> ✂ 203 lines left out\.\n\nend$/);
  expect(shorten(page, { limit: 100, sizeOf, note })).toBe(
    "# Title\n\n> ✂ 101 lines left out.\n\nshort\n\n> ✂ 203 lines left out.\n\nend",
  );
});

it("a fence inside a longer fence, and a fence of tildes in SQL, end no block", () => {
  const code = `\`\`\`\`sql\n\`\`\`\n\n</details>\n${LONG}\n\`\`\`\``;
  expect(shorten(`a\n\n${code}\n\nb`, { limit: 60, sizeOf, note })).toBe(
    `a\n\n> ✂ ${code.split("\n").length} lines left out.\n\nb`,
  );
});

it("a page of too many short blocks is left out as a whole", () => {
  expect(shorten(LONG, { limit: 40, sizeOf, note })).toBe("> ✂ 99 lines left out.");
});

it("the limit of bytes counts bytes", () => {
  const page = `${"é".repeat(60)}\n\nend`;
  expect(shorten(page, { limit: 70, sizeOf: Buffer.byteLength, note })).toBe("> ✂ 1 line left out.\n\nend");
});

import { describe, expect, it, test } from "@jest/globals";
import { createColors } from "picocolors";
import { excerpt } from "../../../lib/cli/output/error.ts";
import { clip } from "../../../lib/cli/output/printer.ts";

const plain = createColors(false);

/** The excerpt around the first `X`. */
const around = (sql: string, width = 80) => excerpt(sql, [...sql].indexOf("X") + 1, width, plain);

describe("an excerpt", () => {
  it("an excerpt shows two lines on either side, with their numbers", () => {
    expect(around("1\n2\n3\n4 X\n5\n6\n7")).toEqual([
      "  2 | 2",
      "  3 | 3",
      "  4 | 4 X",
      "    |   ^",
      "  5 | 5",
      "  6 | 6",
    ]);
  });

  it("an excerpt counts the columns of a terminal, not characters", () => {
    expect(around("漢字 X")).toEqual(["  1 | 漢字 X", "    |      ^"]);
    expect(around("👍 e\u0301\tX")).toEqual(["  1 | 👍 e\u0301 X", "    |      ^"]);
  });

  test.each([40, 80])("an excerpt fits into %p columns however long the line is", (width) => {
    const lines = around(`${"before ".repeat(100)}X${" after".repeat(100)}`, width);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    expect(lines[0]?.[lines[1]?.indexOf("^") ?? -1]).toBe("X");
  });

  it("an excerpt can be at the end of the input", () => {
    expect(excerpt("SELECT (", 9, 80, plain)).toEqual(["  1 | SELECT (", "    |         ^"]);
  });
});

test.each([
  ["short", 5, "short"],
  ["longer", 5, "long…"],
  ["漢字漢字", 5, "漢字…"],
  ["漢字漢字", 6, "漢字…"],
])("the text %s in %p columns is cut to %s", (text, columns, expected) => {
  expect(clip(text, columns)).toBe(expected);
});

import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { locate } from "../../lib/sql/position.ts";

const CASES: readonly (readonly [
  text: string,
  position: number,
  line: number,
  column: number,
  lineText: string,
])[] = [
  ["", 1, 1, 1, ""],
  ["select x", 8, 1, 8, "select x"],
  ["select\nx", 8, 2, 1, "x"],
  ["select\nx", 7, 1, 7, "select"],
  ["select\n\n\tx\n", 10, 3, 2, "\tx"],
  ["a\r\nb\rc\nd", 4, 2, 1, "b"],
  ["a\r\nb\rc\nd", 3, 1, 2, "a"],
  ["a\r\nb\rc\nd", 6, 3, 1, "c"],
  ["a\r\nb\rc\nd", 8, 4, 1, "d"],
  ["😀😀x\n😀y", 3, 1, 5, "😀😀x"],
  ["😀😀x\n😀y", 6, 2, 3, "😀y"],
  ["é\ud800x", 3, 1, 3, "é\ud800x"],
  ["select", 7, 1, 7, "select"],
  ["select\n", 8, 2, 1, ""],
  ["select", 99, 1, 7, "select"],
  ["select\nx", 0, 1, 1, "select"],
  ["select\nx", -5, 1, 1, "select"],
  ["select\nx", Number.NaN, 1, 1, "select"],
];

describe("locate", () => {
  it.each(CASES)("the location in %j of position %d is correct", (text, position, line, column, lineText) => {
    expect(locate(text, position)).toEqual({ line, column, lineText });
  });

  it("the location agrees with counting code points", () => {
    const texts = fc.string({
      unit: fc.constantFrom("a", "é", "😀", "\n", "\r", "\r\n", "\t"),
      maxLength: 20,
    });
    fc.assert(
      fc.property(texts, fc.nat(30), (text, before) => {
        const characters = Array.from(text);
        const isInsideCrlf = characters[before - 1] === "\r" && characters[before] === "\n";
        const lines = characters
          .slice(0, isInsideCrlf ? before - 1 : before)
          .join("")
          .split(/\r\n|\r|\n/);
        const { line, column, lineText } = locate(text, before + 1);
        expect(line).toBe(lines.length);
        expect(lineText.slice(0, column - 1)).toBe(lines.at(-1));
        expect(lineText).toBe(text.split(/\r\n|\r|\n/)[line - 1]);
      }),
      { numRuns: 2000 },
    );
  });
});

import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import pg from "pg";
import { chunksOf, quoteJson, quoteLiteral } from "../../lib/sql/literals.ts";

const texts = fc.array(fc.string({ unit: fc.constantFrom("'", "\\", '"', "\n", "a", "é", "😀", "\uD83D") }));
const LARGE = "it's \\ 😀\n".repeat(40_000);

describe("a literal", () => {
  it("a quoted literal equals that of the driver for any text", () => {
    fc.assert(
      fc.property(texts, (list) => {
        const text = list.join("");
        expect(quoteLiteral(text)).toBe(pg.escapeLiteral(text).trimStart());
      }),
    );
    expect(quoteLiteral(LARGE) === pg.escapeLiteral(LARGE).trimStart()).toBe(true);
  });

  it("a quoted list equals the quoted JSON of the list", () => {
    fc.assert(
      fc.property(texts, (list) => {
        expect(quoteJson(list)).toBe(quoteLiteral(JSON.stringify(list)));
      }),
    );
    const large = ["a", LARGE, "b"];
    expect(quoteJson(large) === quoteLiteral(JSON.stringify(large))).toBe(true);
  });
});

describe("the pieces of a text", () => {
  it("the chunks of a text join to the text and end at whole characters", () => {
    for (const offset of [0, 1, 2]) {
      const parts = ["x".repeat(offset), "😀".repeat(100_000), "y"];
      const pieces = [...chunksOf(parts)];
      expect(pieces.length).toBeGreaterThan(2);
      expect(pieces.join("") === parts.join("")).toBe(true);
      expect(pieces.filter((piece) => /\p{Surrogate}/u.test(piece))).toEqual([]);
    }
  });
});

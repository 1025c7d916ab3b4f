import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { Message, messagesOf, own } from "../../lib/migrator/connection/message.ts";
import { isSelfContained } from "../../lib/migrator/sql/split.ts";
import { failure } from "./failures.ts";

const parts = (...texts: string[]) => texts.map((text) => ({ text, by: "migration" }) as const);

describe("the place of a failure", () => {
  const texts = ["SELECT 1; SELECT 2", "", "-- no", "SELECT 'é😀', 3", "SELECT 4"];
  const message = new Message("title */ of it", parts(...texts));

  it("by position: every character of every part is found again", () => {
    const found = texts.flatMap((text) =>
      [...text].map((_, index) => {
        const start = [...message.text.slice(0, message.text.lastIndexOf(text))].length;
        const place = message.placeOf(failure({ position: start + index + 1 }), 0);
        return place.text === text && place.position === index + 1;
      }),
    );
    expect(found.length).toBeGreaterThan(40);
    expect(found.every(Boolean)).toBe(true);
  });

  it("by position between two parts: is the end of the first", () => {
    const semicolon = message.text.indexOf("\n;\n") + 2;
    expect(message.placeOf(failure({ position: semicolon }), 0)).toMatchObject({
      text: "SELECT 1; SELECT 2",
      position: "SELECT 1; SELECT 2".length + 1,
    });
  });

  it.each([
    [0, "SELECT 1; SELECT 2"],
    [1, "SELECT 1; SELECT 2"],
    [2, "SELECT 'é😀', 3"],
    [3, "SELECT 4"],
    [4, "SELECT 4"],
  ])("after %i statements that were completed: %j", (completed, text) => {
    expect(message.placeOf(failure({}), completed)).toMatchObject({ text, position: undefined });
  });

  it("keeps what the part means", () => {
    const meaning = () => {
      throw new Error("not asked");
    };
    const one = new Message("", [own("SELECT 1"), { ...own("SELECT 2"), meaning }]);
    expect(one.placeOf(failure({}), 1)).toMatchObject({ meaning });
  });
});

describe("a title", () => {
  it("cannot end the comment that it is in", () => {
    const { text } = new Message("a */ DROP TABLE b; /* c", parts("SELECT 1"));
    expect(text).toBe("/* a  / DROP TABLE b;  * c */\nSELECT 1");
  });

  it("of asterisks and slashes only cannot either", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("*", "/", "a") }), (title) => {
        const { text } = new Message(title, parts("SELECT 1"));
        const comment = text.slice(0, text.length - "SELECT 1".length);
        expect(comment.indexOf("*/")).toBe(comment === "" ? -1 : comment.length - "*/\n".length);
        expect(comment.slice(2)).not.toContain("/*");
      }),
    );
  });
});

describe("messages", () => {
  it.each([
    [["SELECT 1", "SELECT 2"], 1],
    [["SELECT 'it''s' -- don't", "SELECT 2"], 1],
    [["SELECT 'abc", "SELECT 2", "SELECT 3"], 2],
    [["SELECT 1", "SELECT $a$ $b$", "SELECT /* /* */", "SELECT 3"], 3],
    [[], 0],
  ])("%j are %i", (texts, count) => {
    expect(messagesOf("", parts(...texts))).toHaveLength(count);
  });
});

describe("a text that is complete in itself", () => {
  it.each([
    ["SELECT 1", true],
    ["", true],
    ["-- it's", true],
    ["SELECT '' '", false],
    ["SELECT E'\\'", false],
    ["SELECT E'\\''", true],
    ["SELECT '\\'", true],
    ["SELECT $$ ' $$", true],
    ["SELECT $a$ $$", false],
    ['SELECT "a""', false],
    ['SELECT U&"a"', true],
    ["/* /* */", false],
    ["/* /* */ */", true],
    ["SELECT 1 -- /*", true],
    ["SELECT $1", true],
  ])("%j: %s", (sql, expected) => {
    expect(isSelfContained(sql)).toBe(expected);
  });
});

import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { Message, messagesOf, own } from "../../lib/postgres/message.ts";
import { oneLine } from "../../lib/sql/mask.ts";
import { isSelfContained } from "../../lib/sql/split.ts";
import { failure } from "./failures.ts";

const parts = (...texts: string[]) => texts.map((text) => ({ text, by: "migration" }) as const);

describe("the place of a failure in a message", () => {
  const texts = ["SELECT 1; SELECT 2", "", "-- no", "SELECT 'é😀', 3", "SELECT 4"];
  const message = new Message("title */ of it", parts(...texts));

  it("a position leads back to every character of every part", () => {
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

  it("a position between two parts is the end of the first", () => {
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
  ])("the statement after %i completed ones is the failed one: %j", (completed, text) => {
    expect(message.placeOf(failure({}), completed)).toMatchObject({ text, position: undefined });
  });

  it("a position in another part than the count is one in SQL of the server's own", () => {
    expect(message.placeOf(failure({ position: 12 }), 3)).toMatchObject({
      text: "SELECT 4",
      position: undefined,
    });
    const start = [...message.text.slice(0, message.text.indexOf("SELECT 4"))].length;
    const place = message.placeOf(failure({ position: start + 3 }), 3);
    expect(place).toMatchObject({ text: "SELECT 4", position: 3 });
  });

  it("a place among very many parts is found at once", () => {
    const many = new Message("", parts(...Array.from({ length: 20_000 }, (_, n) => `SELECT ${n}`)));
    expect(many.placeOf(failure({ position: 9 }), 0)).toMatchObject({ text: "SELECT 0", position: 9 });
  });

  it.each([
    ["DO $$ a 😀 b $$", " a 😀 b ", 4, 9],
    ["DO $$ a $$; DO $$ a $$", " a ", 1, undefined],
    ["DO $$ a $$", "something else", 1, undefined],
  ])("a position inside a body counts only where %j has %j once", (text, query, position, expected) => {
    const one = new Message("", parts(text));
    expect(one.placeOf(failure({ inner: { query, position } }), 0).position).toBe(expected);
  });

  it("a place keeps what the part means", () => {
    const meaning = () => {
      throw new Error("not asked");
    };
    const one = new Message("", [own("SELECT 1"), { ...own("SELECT 2"), meaning }]);
    expect(one.placeOf(failure({}), 1)).toMatchObject({ meaning });
  });
});

describe("the title of a message", () => {
  it("a title cannot end the comment that it is in", () => {
    const { text } = new Message("a */ DROP TABLE b; /* c", parts("SELECT 1"));
    expect(text).toBe("/* a  / DROP TABLE b;  * c */\nSELECT 1");
  });

  it("a title of asterisks and slashes cannot end the comment either", () => {
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

describe("the number of messages", () => {
  it.each([
    [["SELECT 1", "SELECT 2"], 1],
    [["SELECT 'it''s' -- don't", "SELECT 2"], 1],
    [["SELECT 'abc", "SELECT 2", "SELECT 3"], 2],
    [["SELECT 1", "SELECT $a$ $b$", "SELECT /* /* */", "SELECT 3"], 3],
    [["SET Standard_Conforming_Strings = off", "SELECT 'a'", "SELECT 'b'"], 2],
    [[], 0],
  ])("the texts %j take %i messages", (texts, count) => {
    expect(messagesOf("", parts(...texts))).toHaveLength(count);
  });
});

describe("a self-contained text", () => {
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
    ["CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;", false],
    ["CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END", true],
    ["SELECT atomic", true],
  ])("isSelfContained reads %j as %s", (sql, expected) => {
    expect(isSelfContained(sql)).toBe(expected);
  });
});

describe("SQL on one line", () => {
  it.each([
    ["SELECT  1;\n\tSELECT 2", "SELECT 1; SELECT 2"],
    ["/* a */ SELECT/* b */1 -- c", "SELECT 1"],
    ["-- only this", ""],
    ["ALTER ROLE a PASSWORD 'sesame'", "ALTER ROLE a PASSWORD '********'"],
    ["SELECT 'a\nb'", "SELECT 'a b'"],
  ])("oneLine turns %j into %j", (sql, expected) => {
    expect(oneLine(sql, 100)).toBe(expected);
  });

  it("oneLine never shows half of a secret", () => {
    for (let blanks = 3_960; blanks < 4_000; blanks += 1) {
      expect(oneLine(`${" ".repeat(blanks)}ALTER ROLE a PASSWORD 'sesame'`, 300)).not.toContain("ses");
    }
  });
});

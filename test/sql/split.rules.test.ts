import { beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { loadModule } from "libpg-query";
import { tokenize } from "../../lib/sql/lexer.ts";
import { splitStatements } from "../../lib/sql/split.ts";
import { cpuMilliseconds } from "../support/cpu-time.ts";
import { BLANKS, FRAGMENTS, STATEMENTS } from "./corpus.ts";
import { parsed, wellFormed } from "./oracle.ts";

function texts(sql: string): string[] {
  return splitStatements(sql).map(({ text }) => text);
}

const CASES: readonly (readonly [sql: string, statements: readonly string[]])[] = [
  ["", []],
  [" ;; -- a;\n ; /* b; */", []],
  ["a", ["a"]],
  ["a;b", ["a", "b"]],
  [" a ; ; b ;", ["a", "b"]],
  ["-- for a\na -- of a\n; /* for b */ b /* of b */", ["a", "b"]],
  ["a /* in a; */ b;c", ["a /* in a; */ b", "c"]],
  ["a ';' b; $$;$$ \";\" c; E'\\';'", ["a ';' b", '$$;$$ ";" c', "E'\\';'"]],
  ["a (b; c) d; e", ["a (b; c) d", "e"]],
  ["a ((b;) ; c); d", ["a ((b;) ; c)", "d"]],
  ["a); b", ["a)", "b"]],
  ["a (b; c", ["a (b; c"]],
  ["a [b; c]", ["a [b", "c]"]],
  ["BEGIN; a; END; b", ["BEGIN", "a", "END", "b"]],
  ["begin atomic; end; a", ["begin atomic", "end", "a"]],
  ["create function f begin atomic a; end; b", ["create function f begin atomic a; end", "b"]],
  [
    "CREATE OR REPLACE PROCEDURE f BEGIN ATOMIC end; b",
    ["CREATE OR REPLACE PROCEDURE f BEGIN ATOMIC end", "b"],
  ],
  [
    "create function f begin atomic case x end; end; b",
    ["create function f begin atomic case x end; end", "b"],
  ],
  ["create function f begin atomic a end; b", ["create function f begin atomic a end; b"]],
  [
    "create function f begin atomic (a; end; b); end; c",
    ["create function f begin atomic (a; end; b); end", "c"],
  ],
  ["create function f (begin atomic); b", ["create function f (begin atomic)", "b"]],
  ['create function f "begin" atomic; b', ['create function f "begin" atomic', "b"]],
  ['create "function" f begin atomic; b', ['create "function" f begin atomic', "b"]],
  ["create table function begin atomic; b", ["create table function begin atomic", "b"]],
  ["create or function f begin atomic; b", ["create or function f begin atomic", "b"]],
  ["alter function f begin atomic; b", ["alter function f begin atomic", "b"]],
  ["a create function f begin atomic; b", ["a create function f begin atomic", "b"]],
  ["create function begin.atomic; b", ["create function begin.atomic", "b"]],
  [
    "create function f begin /* ; */ atomic a; -- end\nend ; b",
    ["create function f begin /* ; */ atomic a; -- end\nend", "b"],
  ],
];

beforeAll(loadModule);

describe("splitStatements", () => {
  it.each(CASES)("the statements of %j are split correctly", (sql, expected) => {
    expect(texts(sql)).toEqual(expected);
  });

  it.each(STATEMENTS)("the SQL is one statement: %j", (sql) => {
    expect(texts(`; ${sql} ; ${sql}`)).toEqual([sql, sql]);
    expect(parsed(`; ${sql} ; ${sql}`)).toEqual([sql, sql]);
  });

  it("the offsets of a statement match its text", () => {
    const sql = "-- ü😀\nselect 'ü😀' ; select 2;";
    for (const { text, start, end } of splitStatements(sql)) expect(sql.slice(start, end)).toBe(text);
    expect(splitStatements(sql).map(({ start }) => start)).toEqual([7, 22]);
  });

  it("splitting two megabytes takes linear time", async () => {
    const sql = `${"select (1);".repeat(100_000)}${"create function f begin atomic a;".repeat(28_000)}`;
    const splitAll = () => expect(splitStatements(sql)).toHaveLength(100_001);
    expect(await cpuMilliseconds(splitAll)).toBeLessThan(10_000);
  });
});

const blanks = fc.array(fc.constantFrom(...BLANKS), { maxLength: 3 }).map((parts) => parts.join(""));

/** The statement with something else between its tokens; where nothing stood, nothing does. */
function respaced(sql: string, spaces: readonly string[]): string {
  let result = "";
  let last = 0;
  for (const [index, { kind, start, end }] of tokenize(sql).entries()) {
    if (kind === "comment") continue;
    const space = spaces[index % spaces.length] ?? " ";
    result += `${start > last ? ` ${space} ` : ""}${sql.slice(start, end)}`;
    last = end;
  }
  return result;
}

const statement = fc
  .tuple(fc.constantFrom(...STATEMENTS), fc.array(blanks, { minLength: 1, maxLength: 7 }))
  .map(([sql, spaces]) => respaced(sql, spaces));

const script = fc
  .array(fc.tuple(blanks, fc.oneof({ weight: 6, arbitrary: statement }, fc.constant("")), blanks), {
    maxLength: 8,
  })
  .map((parts) => parts.map((part) => part.join("")).join(";"));

function expectAgreement(arbitrary: fc.Arbitrary<string>, numRuns: number): number {
  let compared = 0;
  fc.assert(
    fc.property(arbitrary, (sql) => {
      const ours = texts(sql);
      const theirs = sql === "" ? [] : parsed(sql);
      if (theirs === undefined) return;
      compared++;
      expect(ours).toEqual(theirs);
    }),
    { numRuns },
  );
  return compared;
}

describe("splitStatements, against PostgreSQL's parser", () => {
  it("splitting agrees with PostgreSQL on valid scripts", () => {
    expect(expectAgreement(script, 1500)).toBe(1500);
  });

  it("splitting agrees with PostgreSQL on damaged scripts that it accepts", () => {
    const pieces = [...FRAGMENTS, "", "", "", ";", " end ", " begin atomic ", " as ", "(", ")"];
    const damaged = fc
      .tuple(fc.constantFrom(...STATEMENTS), script, fc.nat(), fc.nat(6), fc.constantFrom(...pieces))
      .map(([first, rest, position, cut, piece]) => {
        const at = position % (first.length + 1);
        return wellFormed(`${first.slice(0, at)}${piece}${first.slice(at + cut)};${rest}`);
      });
    expect(expectAgreement(damaged, 1500)).toBeGreaterThan(150);
  });

  it("splitting agrees with PostgreSQL on random routine bodies", () => {
    const words = [
      "select 1",
      "end",
      ";",
      "; end",
      "as end",
      "case when a then b end",
      ",",
      "(",
      ")",
      "begin",
      "atomic",
    ];
    const body = fc
      .array(fc.constantFrom(...words), { maxLength: 8 })
      .map(
        (parts) => `create function f() returns int begin atomic select 1 ${parts.join(" ")}; end; select 2`,
      );
    expect(expectAgreement(body, 2500)).toBeGreaterThan(80);
  });
});

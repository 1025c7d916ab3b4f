import { beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { loadModule } from "libpg-query";
import { tokenize } from "../../lib/sql/lexer.ts";
import { cpuMilliseconds } from "../support/cpu-time.ts";
import { FRAGMENTS, STATEMENTS } from "./corpus.ts";
import { plainTokens, scanned, wellFormed } from "./oracle.ts";

function texts(sql: string): string[] {
  return tokenize(sql).map(({ start, end }) => sql.slice(start, end));
}

function kinds(sql: string): string {
  return tokenize(sql)
    .map(({ kind }) => kind)
    .join(" ");
}

/** Token texts, parted by what none of them holds. */
const CASES: readonly (readonly [sql: string, tokens: string])[] = [
  ["", ""],
  [" \t\n\v\f\r", ""],
  ["select a", "select¦a"],
  ["-- a\rb--c\r\nd--", "-- a¦b¦--c¦d¦--"],
  ["/*/**//**/*/a/***/b", "/*/**//**/*/¦a¦/***/¦b"],
  ["/*/ */a", "/*/ */¦a"],
  ["'a''b'c", "'a''b'¦c"],
  ["'a\\'b", "'a\\'¦b"],
  ["E'a\\'b''c\\\\'d", "E'a\\'b''c\\\\'¦d"],
  ["e'\\''a", "e'\\''¦a"],
  ["ae'\\'b", "ae¦'\\'¦b"],
  ["U&'a''b\\'c", "U&'a''b\\'¦c"],
  ['u&"a""b"c', 'u&"a""b"¦c'],
  ["U& 'a'", "U¦&¦'a'"],
  ["u&&a", "u¦&&¦a"],
  ["B'0''1'", "B'0'¦'1'"],
  ["x'f'\n'f'", "x'f'\n'f'"],
  ["n'a' N 'a'", "n'a'¦N¦'a'"],
  ['"a;""b" "c', '"a;""b"¦"c'],
  ["'a'\n'b'\r\t'c' 'd'", "'a'\n'b'\r\t'c'¦'d'"],
  ["'a' --c\n--d\n 'b'", "'a' --c\n--d\n 'b'"],
  ["E'a' --'\n'\\''b", "E'a' --'\n'\\''¦b"],
  ["'a'\n--c", "'a'¦--c"],
  ["'a' /*\n*/'b'", "'a'¦/*\n*/¦'b'"],
  ["'a'\n''b", "'a'\n''¦b"],
  ["'a'\n-'b'", "'a'¦-¦'b'"],
  ["$$;$$a", "$$;$$¦a"],
  ["$a$ $b$ $a $$ $a$b", "$a$ $b$ $a $$ $a$¦b"],
  ["$a$b$a$", "$a$b$a$"],
  ["a$b$ c$$", "a$b$¦c$$"],
  ["1$$a$$", "1¦$$a$$"],
  ["$é_1$a$é_1$", "$é_1$a$é_1$"],
  ["$a b", "$¦a¦b"],
  ["$1$2a$a$b$", "$1¦$2¦a$a$b$"],
  ["é😀\u00a0$1", "é😀\u00a0$1"],
  ["1 1.5 .5 5. 1e10 1.5E-3 1.e+3", "1¦1.5¦.5¦5.¦1e10¦1.5E-3¦1.e+3"],
  ["0x1F 0o7 0b1 0X_1f 1_000.000_1e1_0", "0x1F¦0o7¦0b1¦0X_1f¦1_000.000_1e1_0"],
  ["1..2 1...2 1.5..2", "1¦..¦2¦1¦..¦.2¦1.5¦..¦2"],
  ["1.5.2 a.5 a.b", "1.5¦.2¦a¦.5¦a¦.¦b"],
  ["1a 1e 0x 0x1g 1__0 1_ 1.a$b", "1a¦1e¦0x¦0x1g¦1__0¦1_¦1.a$b"],
  ["1e+", "1e¦+"],
  ["a:b::c:=d::=e", "a¦:¦b¦::¦c¦:=¦d¦::¦=¦e"],
  [".. ... ,;()[]", "..¦..¦.¦,¦;¦(¦)¦[¦]"],
  ["<= >= <> != => ==> ->> #>>", "<=¦>=¦<>¦!=¦=>¦==>¦->>¦#>>"],
  ["=-1 <=+ *+-+ @- ?-| !=- -= +-+", "=¦-¦1¦<=¦+¦*¦+¦-¦+¦@-¦?-|¦!=-¦-=¦+¦-¦+"],
  ["a<--b\nc*/*d*/e-/*f*/g", "a¦<¦--b¦c¦*¦/*d*/¦e¦-¦/*f*/¦g"],
  ["@---a", "@¦---a"],
  ["*-/**/", "*¦-¦/**/"],
  ["{a}\\ \u0000", "{¦a¦}¦\\¦\u0000"],
  ["'a;", "'a;"],
  ["E'a\\", "E'a\\"],
  ["$$a$", "$$a$"],
  ["/*/**/", "/*/**/"],
  ["'a'\n'b", "'a'\n'b"],
];

beforeAll(loadModule);

describe("tokenize", () => {
  it.each(CASES)("the lexer tokenizes %j", (sql, expected) => {
    expect(texts(sql).join("¦")).toBe(expected);
  });

  it("the lexer distinguishes all kinds of tokens", () => {
    expect(kinds('--\nselect "a" \'b\' $$c$$ U&"d" 1 $1 + ; {')).toBe(
      "comment word quoted string string quoted number param operator punctuation other",
    );
  });

  it.each(STATEMENTS)("the lexer agrees with PostgreSQL about %j", (sql) => {
    expect(scanned(sql) ?? "refused").toEqual(plainTokens(sql, tokenize(sql)));
  });
});

/** Asserts agreement wherever PostgreSQL accepts, and counts: a property that compares little shows nothing. */
function expectAgreement(arbitrary: fc.Arbitrary<string>, numRuns: number): number {
  let compared = 0;
  fc.assert(
    fc.property(arbitrary, (sql) => {
      const theirs = scanned(sql);
      const ours = tokenize(sql);
      if (theirs === undefined) return;
      compared++;
      expect(plainTokens(sql, ours)).toEqual(theirs);
    }),
    { numRuns },
  );
  return compared;
}

const fragments = fc.array(fc.constantFrom(...FRAGMENTS), { maxLength: 12 }).map((parts) => parts.join(""));

describe("tokenize, against PostgreSQL's scanner", () => {
  const runs = 1500;

  it("the lexer agrees with PostgreSQL on random fragments", () => {
    expect(expectAgreement(fragments, runs)).toBeGreaterThan(runs / 8);
  });

  it("the lexer agrees with PostgreSQL on random operators", () => {
    const operators = fc.string({ unit: fc.constantFrom(..."~!@#^&|`?+-*/%<>=+-+-\n a:."), maxLength: 20 });
    expect(expectAgreement(operators, runs)).toBeGreaterThan(runs / 2);
  });

  it("the lexer agrees with PostgreSQL on random numbers with trailing letters", () => {
    const numbers = fc.string({ unit: fc.constantFrom(..."0017.._eE+-xXfoOb $"), maxLength: 10 });
    expect(expectAgreement(numbers, runs)).toBeGreaterThan(runs / 8);
  });

  it("the lexer agrees with PostgreSQL on damaged statements", () => {
    const damaged = fc
      .tuple(fc.constantFrom(...STATEMENTS), fc.nat(), fc.nat(4), fc.constantFrom(...FRAGMENTS, ""))
      .map(([sql, position, cut, piece]) => {
        const at = position % (sql.length + 1);
        return wellFormed(sql.slice(0, at) + piece + sql.slice(at + cut));
      });
    expect(expectAgreement(damaged, runs)).toBeGreaterThan(runs / 4);
  });
});

describe("tokenize, whatever it is given", () => {
  it("the lexer skips only white space and never throws", () => {
    const anything = fc.oneof(
      fragments,
      fc.string({ unit: "binary" }),
      fc.array(fc.nat(0xffff)).map(fromUnits),
    );
    fc.assert(
      fc.property(anything, (sql) => {
        let at = 0;
        for (const { start, end } of tokenize(sql)) {
          expect(sql.slice(at, start)).toMatch(/^[ \t\n\v\f\r]*$/);
          expect(end).toBeGreaterThan(start);
          at = end;
        }
        expect(sql.slice(at)).toMatch(/^[ \t\n\v\f\r]*$/);
      }),
      { numRuns: 1500 },
    );
  });

  // Where a lexer looks ahead and may look again: quadratic, two million characters would take minutes.
  it.each([
    "+-",
    "*+-@",
    "'a' --c\n",
    "'a'\n",
    "'",
    "$a",
    "$a ",
    "/*",
    "--\n",
    "1_",
    "1.",
    "E'\\",
    "begin atomic ",
  ])("two megabytes of %j take linear time", async (piece) => {
    const sql = piece.repeat(Math.ceil(2_000_000 / piece.length));
    const tokenizeAll = () =>
      expect(tokenize(sql).at(-1)?.end ?? sql.length).toBeGreaterThan(sql.length - 10);
    expect(await cpuMilliseconds(tokenizeAll)).toBeLessThan(10_000);
  });
});

function fromUnits(units: readonly number[]): string {
  return String.fromCharCode(...units);
}

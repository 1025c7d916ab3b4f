import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { DIGEST_VERSION, sqlDigest } from "../../lib/sql/digest.ts";
import { tokenize } from "../../lib/sql/lexer.ts";
import { cpuMilliseconds } from "../support/cpu-time.ts";
import { BLANKS, FRAGMENTS, STATEMENTS } from "./corpus.ts";

const EQUAL: readonly (readonly [a: readonly string[], b: readonly string[]])[] = [
  [[], [""]],
  [[], [" ; -- a;\n;", "/* b */"]],
  [["a"], ["a;"]],
  [["a; b;"], ["a;", "b"]],
  [["a;;b"], ["a", ";", "", "b;;"]],
  [["a b"], ["/* x */ a -- y\r\n\tb -- z"]],
  [["a.b(c,1)::d"], ["a . b ( c , 1 ) :: d"]],
  [["'a\nb'"], ["'a\r\nb'"]],
  [["$$a\n\n$$"], ["$$a\r\r\n$$"]],
  [['"a\nb"'], ['"a\rb"']],
  [["'a'\n'b'"], ["'a' -- c\n\n  'b'"]],
  [["E'a\\''\n'\\'b' c"], ["E'a\\''\t\r\n'\\'b' /**/ c"]],
  [["U&'a'\n'b'"], ["U&'a'\r--\r\n'b'"]],
  [["x'a'\n'b'"], ["x'a'\n--\n'b'"]],
  [["create function f() begin atomic a; end"], ["create function f ( ) begin /**/ atomic a ; end ;"]],
  [["\ud800"], ["\ufffd"]],
];

const DIFFERENT: readonly (readonly [a: readonly string[], b: readonly string[]])[] = [
  [[], ["a"]],
  [["a"], ["A"]],
  [["a"], ['"a"']],
  [["a b"], ["ab"]],
  [["a b"], ["a", "b"]],
  [["a;b"], ["b;a"]],
  [["a"], ["a;a"]],
  [["a - -b"], ["a --b"]],
  [["1.5"], ["1 .5"]],
  [["N'a'"], ["N 'a'"]],
  [["E'a'"], ["E 'a'"]],
  [["'a'\n'b'"], ["'a' 'b'"]],
  [["'a'\n'b'"], ["'ab'"]],
  [["'a'\n'b'"], ["'a''b'"]],
  [["'a'\n'b'"], ["'a\n''b'"]],
  [["'a'\n'b'"], ["'a' /*\n*/ 'b'"]],
  [["'a--b'"], ["'a'"]],
  [["'a\n\nb'"], ["'a\nb'"]],
  [["'a b'"], ["'a  b'"]],
  [["$$a -- b\n$$"], ["$$a \n$$"]],
  [["$$'a'\n'b'$$"], ["$$'a' \n'b'$$"]],
  [["$a$b$a$"], ["$$b$$"]],
  [["'a'\n'b -- c\n'"], ["'a'\n'b \n'"]],
  [["(a;b)"], ["(a b)"]],
  [["(a;;b)"], ["(a;b)"]],
  [["'1:a;'"], ["'1:b;'"]],
];

describe("sqlDigest", () => {
  it.each(EQUAL)("the digest of %j and %j is the same", (a, b) => {
    expect(sqlDigest(a)).toBe(sqlDigest(b));
  });

  it.each(DIFFERENT)("the digest of %j and %j differs", (a, b) => {
    expect(sqlDigest(a)).not.toBe(sqlDigest(b));
  });

  // These digests are stored in databases: a change of either line asks for another DIGEST_VERSION.
  it("the digest of version 1 never changes", () => {
    const input = "6:select3:'ü'1:,7:'a'\n'b';8:rollback;";
    expect(DIGEST_VERSION).toBe(1);
    expect(sqlDigest(["select 'ü', 'a' --\r\n'b';", "rollback"])).toBe(
      createHash("sha256").update(input).digest("hex"),
    );
  });
});

const blanks = fc
  .array(fc.constantFrom(...BLANKS), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join(""));

/** Tokens no two of which, parted by a blank, are another token; with some that look like the hash's own input. */
const WORDS = [
  "a",
  "A",
  "b",
  "ab",
  '"a"',
  "'a'",
  "'1:a'",
  "$$a$$",
  "1",
  "11",
  ":",

  "+",
  "<",
  "=",
  "<=",
  ",",
];

const tokenLists = fc.array(fc.array(fc.constantFrom(...WORDS), { maxLength: 4 }), { maxLength: 3 });

function written(lists: readonly (readonly string[])[]): string {
  return lists.map((list) => list.join(" ")).join(" ; ");
}

function key(lists: readonly (readonly string[])[]): string {
  return JSON.stringify(lists.filter((list) => list.length > 0));
}

describe("sqlDigest, in general", () => {
  it("the digest ignores white space and comments between tokens", () => {
    fc.assert(
      fc.property(fc.constantFrom(...STATEMENTS), fc.array(blanks, { minLength: 1 }), (sql, spaces) => {
        const pieces = tokenize(sql).flatMap(({ kind, start, end }, index) =>
          kind === "comment" ? [] : [spaces[index % spaces.length] ?? " ", sql.slice(start, end)],
        );
        expect(sqlDigest([`${pieces.join("")}\n;`])).toBe(sqlDigest([sql]));
      }),
      { numRuns: 2000 },
    );
  });

  it("the digest ignores how statements are distributed over steps", () => {
    const parts = fc.array(fc.tuple(fc.constantFrom(...STATEMENTS), fc.constantFrom(";", ";;\n", undefined)));
    fc.assert(
      fc.property(parts, (list) => {
        let steps = [""];
        for (const [sql, separator] of list) {
          const last = `${steps.at(-1)}${sql}`;
          steps =
            separator === undefined
              ? [...steps.slice(0, -1), last, ""]
              : [...steps.slice(0, -1), `${last}${separator}`];
        }
        expect(sqlDigest(steps)).toBe(sqlDigest(list.map(([sql]) => sql)));
      }),
    );
  });

  it("two lists of statements have the same digest only if they are equal", () => {
    const close = fc.tuple(tokenLists, fc.constantFrom(...WORDS), fc.nat(), fc.nat(4));
    fc.assert(
      fc.property(close, tokenLists, ([lists, word, which, where], others) => {
        const changed = lists.map((list, index) =>
          index === which % lists.length ? [...list.slice(0, where), word, ...list.slice(where + 1)] : list,
        );
        for (const other of [others, changed, lists.toReversed()]) {
          expect(sqlDigest([written(lists)]) === sqlDigest([written(other)])).toBe(key(lists) === key(other));
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("the digest changes with any token of a statement", () => {
    fc.assert(
      fc.property(fc.constantFrom(...STATEMENTS), fc.nat(), (sql, pick) => {
        const tokens = tokenize(sql).filter(({ kind }) => kind !== "comment");
        const token = tokens[pick % tokens.length];
        if (token === undefined) return;
        const { start, end } = token;
        expect(sqlDigest([`${sql.slice(0, start)} zz ${sql.slice(end)}`])).not.toBe(sqlDigest([sql]));
        expect(sqlDigest([`${sql.slice(0, start)} zz ${sql.slice(start)}`])).not.toBe(sqlDigest([sql]));
      }),
      { numRuns: 1000 },
    );
  });

  it("the digest never throws", () => {
    const anything = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(fc.constantFrom(...FRAGMENTS)).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(fc.array(anything), (steps) => {
        expect(sqlDigest(steps)).toMatch(/^[0-9a-f]{64}$/);
      }),
      { numRuns: 1000 },
    );
  });

  it.each(["a, ", "a;", "'a'\n", "'a\r\n"])("two megabytes of %j take linear time", async (piece) => {
    const digestAll = () => expect(sqlDigest([piece.repeat(2_000_000 / piece.length)])).toHaveLength(64);
    expect(await cpuMilliseconds(digestAll)).toBeLessThan(10_000);
  });
});

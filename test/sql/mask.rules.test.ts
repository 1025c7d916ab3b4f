import { beforeAll, describe, expect, it, test } from "@jest/globals";
import fc from "fast-check";
import { loadModule, parseSync } from "libpg-query";
import { tokenize } from "../../lib/sql/lexer.ts";
import { maskQuoted, maskSecrets, maskSql, maskText } from "../../lib/sql/mask.ts";
import { cpuMilliseconds } from "../support/cpu-time.ts";
import { FRAGMENTS, STATEMENTS } from "./corpus.ts";
import { WITH_SECRET, WITHOUT_SECRET } from "./mask-cases.ts";

beforeAll(loadModule);

describe("maskSecrets", () => {
  it.each(WITH_SECRET)("maskSecrets masks the secret of %j", (sql, masked) => {
    expect(maskSecrets(sql)).toBe(masked);
    expect(masked.replaceAll("name", "")).not.toMatch(/ses|ame'/);
  });

  it.each(WITHOUT_SECRET)("maskSecrets does not change %j", (sql) => {
    expect(maskSecrets(sql)).toBe(sql);
  });

  it.each(WITH_SECRET.map(([sql]) => sql))("maskSecrets keeps the kind of every token of %j", (sql) => {
    expect(kinds(maskSecrets(sql))).toBe(kinds(sql));
  });

  it("maskSecrets produces SQL that the parser of Postgres accepts", () => {
    const valid = [...WITH_SECRET.map(([sql]) => sql), ...WITHOUT_SECRET].filter(isValid);
    expect(valid.length).toBeGreaterThan(90);
    expect(valid.filter((sql) => !isValid(maskSecrets(sql)))).toEqual([]);
  });

  it("maskSecrets uses a mask whose length does not depend on the secret", () => {
    const shown = ["x", "sesame", "open sesame ".repeat(20)].flatMap((secret) =>
      [
        `ALTER ROLE r PASSWORD '${secret}'`,
        `SELECT 'postgres://u:${secret.trim().replaceAll(" ", "+")}@h'`,
      ].map(maskSecrets),
    );
    expect(new Set(shown).size).toBe(2);
  });

  it("maskSecrets does not change masked SQL", () => {
    for (const [sql] of WITH_SECRET) expect(maskSecrets(maskSecrets(sql))).toBe(maskSecrets(sql));
  });

  it("maskSecrets keeps the kinds of tokens and the number of lines of any SQL", () => {
    const words = [
      "password",
      '"password"',
      "token",
      "= ",
      ":= ",
      "(",
      ")",
      ",",
      "'x'",
      "E'\\''",
      "$$x$$",
      "VALUES",
      "DO",
    ];
    const texts = [
      "'password=x'",
      "$$password='x'$$",
      '\'{"secret": "x"}\'',
      "/* password=x*/",
      "--token=x\n",
      "PASSWORD",
    ];
    const part = fc.constantFrom(...FRAGMENTS, ...STATEMENTS, ...words, ...texts);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const sql = parts.join(" ");
        const shown = maskSecrets(sql);
        expect(kinds(shown)).toBe(kinds(sql));
        expect(shown.split("\n")).toHaveLength(sql.split("\n").length);
      }),
      { numRuns: 2_000 },
    );
  });

  it("maskSecrets takes linear time", async () => {
    const hard = ["a".repeat(200_000), "-".repeat(200_000), "\\".repeat(200_000), '"a":"'.repeat(40_000)];
    const maskAll = () => {
      for (const text of hard) maskSecrets(`SELECT 'password=x ${text}', (password) = ('x')`);
    };
    expect(await cpuMilliseconds(maskAll)).toBeLessThan(5_000);
  });
});

describe("maskSql", () => {
  it("maskSql converts offsets between the original and the masked SQL", () => {
    const sql = "ALTER ROLE r PASSWORD 'open sesame' nonsense; SELECT 'password=x' AS here";
    const masked = maskSql(sql);
    for (const word of ["ALTER", "nonsense", "SELECT", "here"]) {
      expect(masked.toMasked(sql.indexOf(word))).toBe(masked.text.indexOf(word));
      expect(masked.toReal(masked.text.indexOf(word))).toBe(sql.indexOf(word));
    }
    expect(masked.toMasked(sql.indexOf("sesame"))).toBe(masked.text.indexOf("****"));
  });
});

describe("maskQuoted", () => {
  const statement = "INSERT INTO u (name, password) VALUES ('bob', 'it''s sesame'), ('eve', 'abc')";

  test.each([
    [`invalid input: "it's sesame"`, 'invalid input: "********"'],
    ["near \"'it''s sesame'\"", "near \"'********'\""],
    ["Failing row contains (1, bob, abc, abcde).", "Failing row contains (1, bob, ********, abcde)."],
    ["Key (name, token)=(bob, zzz) already exists.", "Key (name, token)=(bob, ********) already exists."],
    ["SQL statement \"ALTER ROLE r PASSWORD 'zzz'\"", "SQL statement \"ALTER ROLE r PASSWORD '********'\""],
    ["could not connect: host=h password=zzz", "could not connect: host=h password=********"],
    ['relation "passwords" does not exist', 'relation "passwords" does not exist'],
  ])("the secrets in the message %j are masked", (message, shown) => {
    expect(maskQuoted(message, statement)).toBe(shown);
  });

  it("maskQuoted masks a secret that Postgres has truncated", () => {
    const secret = "s3same".repeat(20);
    const shown = maskQuoted(`contains (${secret.slice(0, 64)}...)`, `UPDATE u SET password = '${secret}'`);
    expect(shown).not.toContain("s3same".repeat(5));
  });
});

describe("maskText", () => {
  test.each([
    ["password=x", "password=********"],
    ["password: x", "password: ********"],
    ["<password>x</password>", "<password>********</password>"],
    ["Enter your password: at least 8 characters", "Enter your password: at least 8 characters"],
    ["password=%s", "password=%s"],
    ["https://example.com/tokens/a@b", "https://example.com/tokens/a@b"],
  ])("the text %j is masked as %j", (text, shown) => {
    expect(maskText(text)).toBe(shown);
  });
});

function kinds(sql: string): string {
  return tokenize(sql)
    .map(({ kind }) => kind)
    .join(" ");
}

function isValid(sql: string): boolean {
  try {
    parseSync(sql);
    return true;
  } catch {
    return false;
  }
}

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { MigrationError } from "../../lib/core/index.ts";
import { findEncodingProblem } from "../../lib/folder/source-text.ts";
import { BUILT_HANDLERS, refusalOf } from "../asset/assets.ts";
import { projects } from "./folders.ts";
import { exportOf, loadAll } from "./loading.ts";

const make = projects();
const latin1 = (text: string) => Buffer.from(text, "latin1");
const SQL = "SELECT 1;\n-- \u00fc\nSELECT '\u00e9';";
const CODE = "export const up = () => {};\nexport const x = '\u00e9';";

describe("texts that are not UTF-8", () => {
  test.each([
    ["", undefined],
    ["gr\u00fc\u00dfe \ud83d\ude00 \ufffd", undefined],
    ["\ufeffSELECT 1", undefined],
    ["with a \0 in it, which is a character as well", undefined],
  ])("a text in another encoding is detected: %j", (text, expected) => {
    expect(findEncodingProblem(Buffer.from(text))).toBe(expected);
  });

  test.each([
    [latin1("a\r\nb\u00e9"), 2, 2, "is not UTF-8: byte 0xE9 at offset 4"],
    [Buffer.from([0x61, 0xc3]), 1, 2, "is not UTF-8: byte 0xC3 at offset 1"],
    [Buffer.from([0xed, 0xa0, 0x80]), 1, 1, "is not UTF-8: byte 0xED at offset 0"],
    [Buffer.from([0xc0, 0x80]), 1, 1, "is not UTF-8: byte 0xC0 at offset 0"],
    [Buffer.from("\ufeffSELECT 1;", "utf16le"), 1, 1, "is UTF-16 (little-endian), not UTF-8"],
    [Buffer.from("\ufeffSELECT 1;", "utf16le").swap16(), 1, 1, "is UTF-16 (big-endian), not UTF-8"],
    [Buffer.from("SELECT 1;", "utf16le"), 1, 1, "is UTF-16 (little-endian, without a mark), not UTF-8"],
    [Buffer.from("SELECT 1;", "utf16le").swap16(), 1, 1, "is UTF-16 (big-endian, without a mark), not UTF-8"],
  ])("an invalid byte is reported with line, column and offset: %j", (bytes, line, column, message) => {
    expect(findEncodingProblem(bytes)).toEqual({ line, column, message });
  });

  test.each<[string, Buffer, string]>([
    ["001_a.sql", latin1(SQL), "001_a.sql:2:4 is not UTF-8: byte 0xFC"],
    ["001_a.up.sql", latin1(SQL), "001_a.up.sql:2:4 is not UTF-8"],
    ["001_a.sql", Buffer.from(`\ufeff${SQL}`, "utf16le"), "001_a.sql:1:1 is UTF-16"],
    ["001_a.sql", Buffer.from("SELECT 1;", "utf16le"), "001_a.sql:1:1 is UTF-16"],
    ["001_a.ts", latin1(CODE), "001_a.ts:2:19: is not UTF-8: byte 0xE9"],
    ["001_a.js", Buffer.from(CODE, "utf16le"), "001_a.js:1:1: is UTF-16"],
    ["001_a.mjs", latin1(`// \u00e9\n${CODE}`), "001_a.mjs:1:4: is not UTF-8"],
  ])("a migration that is not UTF-8 (%s) fails before anything runs", async (name, bytes, message) => {
    const project = make({ [`migrations/${name}`]: "" });
    writeFileSync(join(project.dir, name), bytes);
    const error = await loadAll(project).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(MigrationError);
    expect(error).toMatchObject({ code: "MIGRATION", message: expect.stringContaining(message) });
    expect(JSON.stringify(error)).toContain("iconv");
  });

  test("a migration that imports a file that is not UTF-8 fails", async () => {
    const project = make({
      "migrations/001_a.ts": "import { x } from '../helper.ts'; export const up = () => x;",
      "helper.ts": "",
    });
    writeFileSync(join(project.root, "helper.ts"), latin1("export const x = '\u00e9';"));
    await expect(loadAll(project)).rejects.toThrow(/helper\.ts:1:19: is not UTF-8/);
  });

  test.each<[string, Buffer]>([
    ["001_a.sql", latin1(SQL)],
    ["001_a.ts", latin1(CODE)],
    ["data/rows.sql", latin1(SQL)],
  ])("a file that is not UTF-8 fails synth: %s", (name, bytes) => {
    const files = { [`migrations/${name}`]: "", "migrations/002_b.ts": "export const up = () => __dirname;" };
    const project = make({ ...BUILT_HANDLERS, ...files });
    writeFileSync(join(project.dir, name), bytes);
    const refusal = refusalOf(project);
    expect(refusal.code).toBe("MIGRATION");
    expect(refusal.message).toMatch(/is not UTF-8: byte 0x(?:FC|E9)/);
  });

  test("a byte order mark and the replacement character are valid UTF-8", async () => {
    const project = make({
      "migrations/001_a.sql": "\ufeffSELECT '\ufffd';",
      "migrations/002_b.ts": "\ufeffexport const x = '\ufffd';",
    });
    const loaded = await loadAll(project);
    expect(loaded.get("001_a")).toMatchObject({ kind: "sql", file: { text: "SELECT '\ufffd';" } });
    expect(exportOf(loaded.get("002_b"), "x")).toBe("\ufffd");
  });
});

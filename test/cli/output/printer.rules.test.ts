import { describe, expect, it } from "@jest/globals";
import { colorsFor, createPrinter, fold } from "../../../lib/cli/output/printer.ts";
import type { ProcessIo } from "../../../lib/cli/process-io.ts";
import { createIo } from "../process-io.ts";

describe("prose on a terminal", () => {
  it.each<[string, string, number | undefined, string]>([
    ["a line that fits stays as it is", "  one  two", 10, "  one  two"],
    ["a longer one breaks between words and keeps its indent", "  one two three", 10, "  one two\n  three"],
    ["a word that is too long has a line of its own", "a npm-run-migrate b", 8, "a\nnpm-run-migrate\nb"],
    ["each line of a text is folded alone", "one two\n  three four", 8, "one two\n  three\n  four"],
    ["wide characters count twice", "日本 日本", 6, "日本\n日本"],
    ["colours take no room", "\x1b[31mone\x1b[39m two", 7, "\x1b[31mone\x1b[39m two"],
    ["a pipe gets whole lines", "one two three", undefined, "one two three"],
    ["a terminal of unknown width gets whole lines", "one two three", 0, "one two three"],
  ])("%s", (_, text, columns, expected) => {
    expect(fold(text, columns)).toBe(expected);
  });

  it("the printer folds prose but not SQL", () => {
    const io = createIo(20);
    const printer = createPrinter(io, io.stdout);
    printer.line("run npm run migrate:repair now");
    printer.verbatim("SELECT a_long_column FROM t");
    expect(io.written()).toBe("run npm run\nmigrate:repair now\nSELECT a_long_column FROM t\n");
  });
});

describe("colours", () => {
  it.each<[string, number | undefined, ProcessIo["env"], boolean]>([
    ["are on for a terminal", 80, {}, true],
    ["are off for a file", undefined, {}, false],
    ["are off with NO_COLOR", 80, { NO_COLOR: "1" }, false],
    [
      "are off for a file with FORCE_COLOR, so that a plan in a file is SQL",
      undefined,
      { FORCE_COLOR: "1" },
      false,
    ],
    ["are off for a dumb terminal", 80, { TERM: "dumb" }, false],
  ])("colours %s", (_, columns, env, expected) => {
    const io = createIo(columns, env);
    expect(colorsFor(io, io.stdout).isColorSupported).toBe(expected);
  });
});

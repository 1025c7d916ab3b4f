import { describe, expect, it, test } from "@jest/globals";
import { guarded, visible, visibleAll } from "../../../lib/cli/output/printer.ts";
import type { Output, ProcessIo } from "../../../lib/cli/process-io.ts";

describe("a text from outside", () => {
  test.each([
    ["plain\ttext\nwith \u00e9, \u4e2d and \ud83d\udc69\u200d\ud83d\ude80", undefined],
    ["\x1b]52;c;aGk=\x07", "\\u001b]52;c;aGk=\\u0007"],
    ["\x1b[2J\x1b[31mred", "\\u001b[2J\\u001b[31mred"],
    ["one\r\ntwo", "one\ntwo"],
    ["over\rwritten\b", "over\\u000dwritten\\u0008"],
    ["\x9b2J\x7f\0", "\\u009b2J\\u007f\\u0000"],
    ["admin\u202egpj.exe", "admin\\u202egpj.exe"],
    ["a\u{e0041}b", "a\\udb40\\udc41b"],
    ["x\n  ::error file=a::b", "x\n  \\u003a:error file=a::b"],
    ["##[error]x ##vso[task]", "\\u0023#[error]x \\u0023#vso[task]"],
    ["SELECT a\n  ::jsonb::text", undefined],
  ])("the text is shown as %j without its effect", (text, shown = text) => {
    expect(visible(text)).toBe(shown);
  });

  it("every text in a report is made visible", () => {
    expect(visibleAll({ a: ["\x1b", { b: "\x07", c: 1, d: null }] })).toEqual({
      a: ["\\u001b", { b: "\\u0007", c: 1, d: null }],
    });
  });
});

describe("the output", () => {
  const written = (isTTY: boolean, text: string): string => {
    let all = "";
    const output: Output = { isTTY, write: (part) => (all += part) };
    const io: Pick<ProcessIo, "env"> = { env: {} };
    guarded({ ...OTHERS, ...io, stdout: output, stderr: output }, output).write(text);
    return all;
  };

  it("the output to a terminal lets only our own colours and line ends through", () => {
    const own = "\r\x1b[2K\x1b[1mbold\x1b[22m \x1b[31mred\x1b[39m";
    expect(written(true, own)).toBe(own);
    expect(written(true, "\x1b[2J\x1b[8mhidden\x1b]0;title\x07")).not.toMatch(/\p{Cc}/u);
    expect(written(false, own)).not.toContain("\x1b");
  });

  it("JSON output stays as it is", () => {
    const value = { name: "\x1b[2J \x9b \u202e \u{e0041}" };
    expect(JSON.parse(written(false, JSON.stringify(value)))).toEqual(value);
  });
});

const OTHERS = {
  argv: [],
  cwd: "/",
  signal: new AbortController().signal,
  ask: async () => undefined,
  leaveInterruptsToChild: () => {},
};

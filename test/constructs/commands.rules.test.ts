import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { Template } from "aws-cdk-lib/assertions";
import * as v from "valibot";
import { AppStack } from "../../lib/app-stack.ts";
import { writeFolder } from "../support/folders.ts";
import { newApp, ROOT } from "./synth.ts";

const ANSWER = '{"ok":true}';

/** Like the AWS CLI, it opens the file it is given anew, writes the answer to it, and prints something of its own. */
const FAKE_AWS = `#!${process.execPath}
const { writeFileSync } = require("node:fs");
const file = process.argv.find((one) => one.startsWith("/dev/"));
if (process.argv[2] === "lambda") writeFileSync(file, '${ANSWER}');
process.stdout.write(process.argv[2] === "lambda" ? "None\\n" : '${ANSWER}');
`;

const Outputs = v.record(v.string(), v.object({ Value: v.unknown() }));

function printedCommands(): ReadonlyMap<string, string> {
  const stack = new AppStack(newApp(), "app", { profile: "dev" });
  const outputs = v.parse(Outputs, Template.fromStack(stack).toJSON()["Outputs"]);
  const commands = Object.entries(outputs).filter(([name]) => name.endsWith("Command"));
  // References stand between the parts of the text; what they are makes no difference here.
  return new Map(
    commands.map(([name, { Value: value }]) => [
      name,
      v
        .parse(v.object({ "Fn::Join": v.tuple([v.string(), v.array(v.unknown())]) }), value)
        ["Fn::Join"][1].map((part) => (typeof part === "string" ? part : "x"))
        .join(""),
    ]),
  );
}

function runbookFunction(): string {
  const line = /^ask\(\).*$/m.exec(readFileSync(join(ROOT, "docs", "runbook.md"), "utf8"))?.[0];
  return `output() { echo x; }\n${line}\nask StatusFunction '{}'`;
}

const commands = printedCommands();

describe.each([...commands, ["of the runbook", runbookFunction()]])(
  "the printed command %s",
  (_name, command) => {
    const folder = writeFolder({ "log.txt": "earlier\n" });
    writeFileSync(join(folder, "aws"), FAKE_AWS);
    chmodSync(join(folder, "aws"), 0o755);
    const shell = (script: string): string =>
      execFileSync("/bin/sh", ["-c", script], {
        cwd: folder,
        env: { PATH: `${folder}:/usr/bin:/bin` },
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });

    test("the printed command outputs only the answer and does not damage the file that it is redirected to", () => {
      expect(shell(command)).toBe(ANSWER);
      shell(`${command} > one.json`);
      expect(readFileSync(join(folder, "one.json"), "utf8")).toBe(ANSWER);
      shell(`${command} >> log.txt`);
      expect(readFileSync(join(folder, "log.txt"), "utf8")).toBe(`earlier\n${ANSWER}`);
    });
  },
);

test("the printed command has the confirmation filled in for applying migrations, but not for undoing them", () => {
  expect(commands.get("DownCommand")).toContain('"confirm":"<DatabaseName>"');
  expect(commands.get("UpCommand")).toContain('"confirm":"aws_framework"');
});

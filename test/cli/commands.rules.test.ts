import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { Option } from "commander";
import { CLI_COMMANDS } from "../../lib/cli/commands/index.ts";
import { COMMAND_NAMES, COMMANDS } from "../../lib/commands/index.ts";

const names = CLI_COMMANDS.map(({ name }) => name);

test("every command that the functions know is a command of the CLI", () => {
  expect(names).toEqual(expect.arrayContaining([...COMMAND_NAMES]));
});

test.each(COMMAND_NAMES)("the input of %s has the same names in the CLI and in a payload", (name) => {
  const command = CLI_COMMANDS.find((one) => one.name === name);
  const fields = Object.keys(COMMANDS[name].fields);
  // The CLI writes an outcome as a flag: --retry, --applied or --reverted.
  const inFlags = ["retry", "applied", "reverted"].every((flag) => flag in (command?.flags ?? {}))
    ? ["outcome"]
    : [];
  expect([...Object.keys(command?.input ?? {}), ...inFlags].toSorted()).toEqual(fields.toSorted());
});

test.each(CLI_COMMANDS)("the parameters of $name are called as they are written", ({ input, flags }) => {
  for (const [key, { written }] of Object.entries({ ...input, ...flags })) {
    const name = /^[[<](\w+)/.exec(written)?.[1] ?? new Option(written).attributeName();
    expect([written, name]).toEqual([written, key]);
  }
});

test("package.json has a script for every command", () => {
  const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const expected = names.map((name) => [
    name.startsWith("db:") ? name : `migrate:${name}`,
    // Without the two dashes, Node looks for the file of our `--env-file` itself, and ends with an error of its own.
    `node -- bin/run.mjs ${name}`,
  ]);
  const actual = Object.entries(scripts).filter(([script]) => /^(?:migrate|db):/.test(script));
  expect(Object.fromEntries(actual)).toEqual(Object.fromEntries(expected));
});

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { COMMANDS, isCommandName } from "../../lib/commands/index.ts";
import { commandArguments } from "../../lib/core/index.ts";

const LIB = join(import.meta.dirname, "..", "..", "lib");

/** `command.field` of every command with input that a hint names. */
const named = readdirSync(LIB, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .flatMap((file) => [
    ...readFileSync(join(LIB, file), "utf8").matchAll(/Hint\.command\("([\w:]+)", \{([^}]*)\}/g),
  ])
  .flatMap(([, command = "", input = ""]) =>
    input.split(",").map((pair) => [command, /\w+/.exec(pair)?.[0] ?? ""] as const),
  )
  .filter(([command]) => isCommandName(command));

test("every field that a hint gives to a command is a field of that command, so that a function takes the payload", () => {
  expect(named.length).toBeGreaterThan(3);
  const unknown = named.filter(
    ([command, field]) => isCommandName(command) && !(field in COMMANDS[command].fields),
  );
  expect(unknown).toEqual([]);
});

test("names of migrations are positional on the command line", () => {
  expect(commandArguments({ migrations: ["1_a", "2_b"] })).toEqual(["1_a 2_b"]);
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { DEFAULTS, OPTIONS, type OptionKind, propOf, resolveOptions } from "../../lib/core/index.ts";
import { runCommand, writeProject } from "../cli/command.ts";

const NAMES = Object.keys(OPTIONS).filter((name) => isOption(name));
const PROPS = readFileSync(
  join(import.meta.dirname, "../../lib/constructs/postgres-migrations-props.ts"),
  "utf8",
);
/** Only constructs and code set these. */
const WITHOUT_FLAG = ["lockRetryDelay", "statementTimeout", "connectTimeout", "startingWait", "databaseWait"];
const PROP_TYPES: Readonly<Record<OptionKind["kind"], RegExp>> = {
  name: /^string$/,
  names: /^string \| (?:readonly )?string\[\]$|^any$/,
  switch: /^boolean$/,
  choice: /^(OrderPolicy|TransactionMode|PreflightMode|OnDeadline)$/,
  milliseconds: /^Duration$/,
  count: /^number$/,
};

function isOption(name: string): name is keyof typeof OPTIONS {
  return Object.hasOwn(OPTIONS, name);
}

const [, engineProps = ""] = /export interface EngineProps \{([\s\S]*?)\n\}/.exec(PROPS) ?? [];
const props = new Map(
  [...engineProps.matchAll(/readonly (\w+)\?: ([^;]+);/g)].map(([, name = "", type = ""]) => [name, type]),
);

test("every option of the engine is a prop of the construct, and every engine prop is an option", () => {
  expect([...props.keys()].toSorted()).toEqual(NAMES.map(propOf).toSorted());
});

test.each(NAMES)("the prop of %s has the type that its kind asks for", (name) => {
  expect(props.get(propOf(name))).toMatch(PROP_TYPES[OPTIONS[name].kind]);
});

test("every option of the engine has a flag with its choices and its default, except those that only code sets", async () => {
  const { stdout } = await runCommand(writeProject({}), ["up", "--help"]);
  const help = stdout.replace(/\s+/g, " ");
  const flagOf = (prop: string) => `--${prop.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const hasFlag = (name: string) => new RegExp(`${flagOf(name)}(?![\\w-])`).test(help);
  expect(
    NAMES.map(propOf)
      .filter((prop) => !hasFlag(prop))
      .toSorted(),
  ).toEqual(WITHOUT_FLAG.toSorted());
  for (const { choices } of [OPTIONS.order, OPTIONS.transaction, OPTIONS.preflight])
    expect(help).toContain(choices.map((choice) => `"${choice}"`).join(", "));
  for (const value of [
    DEFAULTS.order,
    DEFAULTS.transaction,
    DEFAULTS.preflight,
    DEFAULTS.migrationsTable,
    DEFAULTS.lockRetries,
  ])
    expect(help).toContain(`(default: ${value}`);
});

test.each(NAMES.filter((name) => ["milliseconds", "count"].includes(OPTIONS[name].kind)))(
  "%s cannot be below 0",
  (name) => {
    expect(() => resolveOptions({ [name]: -1 })).toThrow(`${name} must be from 0 to`);
  },
);

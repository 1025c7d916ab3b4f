import { Argument, Command, Option } from "commander";
import { VERSION } from "../core/index.ts";
import { type CliCommand, checkText, type Parameter } from "./command.ts";
import { CLI_COMMANDS } from "./commands/index.ts";
import { CHANGE_FLAGS, DATABASE_FLAGS } from "./flags.ts";
import { colorsFor } from "./output/printer.ts";
import { refuseSwallowedFlags } from "./swallowed-flags.ts";
import type { World } from "./world.ts";

/** A command line that was understood. */
export interface Invocation {
  readonly command: CliCommand;
  /** By the names of the command's parameters; those that were not given are absent. */
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Reads the command line.
 * @throws CommanderError for one that cannot be, and for `--help` and `--version`; commander has printed its text by then
 * @throws MigrationError `USAGE` for flags that npm has kept for itself
 */
export function readCommandLine(world: World): Promise<Invocation> {
  return new Promise((resolve) => {
    const program = createProgram(world);
    for (const command of CLI_COMMANDS) {
      const added = addCommand(program, command);
      added.action(() => resolve({ command, values: valuesOf(added, command) }));
    }
    program.parse(world.argv, { from: "user" });
  });
}

function createProgram(world: World): Command {
  return new Command("cdk-pg-migrate")
    .description("Postgres migrations: one folder, one engine, on a laptop, in CI and on AWS.")
    .version(VERSION, "-v, --version")
    .configureOutput({
      outputError: (message, write) => write(usageError(world, message)),
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      getOutHelpWidth: () => world.stdout.columns ?? 100,
      getErrHelpWidth: () => world.stderr.columns ?? 100,
    })
    .enablePositionalOptions()
    .exitOverride()
    .hook("preAction", (_program, command) => refuseSwallowedFlags(world, command));
}

/** An error of commander's in the form of all other errors. */
function usageError(world: World, message: string): string {
  const { bold, cyan, red } = colorsFor(world, world.stderr);
  const text = message
    .replace(/^error: /, "")
    .trim()
    .replaceAll("\n", "\n  ");
  return `\n${red("Error")} ${bold("USAGE")}\n  ${text}\n\n  ${cyan("What to do:")} --help lists what can be given.\n`;
}

function addCommand(program: Command, { name, summary, passesThrough, ...command }: CliCommand): Command {
  const added = program.command(name).description(summary);
  if (passesThrough) added.allowUnknownOption().passThroughOptions();
  for (const [key, parameter] of Object.entries({ ...command.input, ...command.flags })) {
    if (isArgument(parameter)) added.addArgument(argumentOf(parameter));
    else added.addOption(optionOf(key, parameter));
  }
  return added;
}

function isArgument({ written }: Parameter): boolean {
  return /^[[<]/.test(written);
}

function argumentOf(parameter: Parameter): Argument {
  const argument = new Argument(parameter.written, parameter.meaning);
  return argument.argParser((text, before) => checkText(parameter, text, before));
}

function optionOf(key: string, parameter: Parameter): Option {
  const { written, meaning, choices, defaultValue, conflicts = [] } = parameter;
  const option = new Option(written, meaning).conflicts([...conflicts]);
  if (key in DATABASE_FLAGS) option.helpGroup("Common options:");
  if (key in CHANGE_FLAGS) option.helpGroup("Options of a run:");
  if (defaultValue !== undefined) option.default(defaultValue);
  if (choices !== undefined) return option.choices(choices);
  if (option.required) option.argParser((text, before) => checkText(parameter, text, before));
  return option;
}

function valuesOf(added: Command, { input, flags }: CliCommand): Record<string, unknown> {
  const names = Object.entries({ ...input, ...flags }).filter(([, parameter]) => isArgument(parameter));
  const processed: readonly unknown[] = added.processedArgs;
  const given = names.flatMap(([name], index) =>
    processed[index] === undefined ? [] : [[name, processed[index]] as const],
  );
  return { ...added.opts<Record<string, unknown>>(), ...Object.fromEntries(given) };
}

import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Argument, Command, CommanderError, Option } from "commander";
import { ERRORS, MigrationError, VERSION } from "../core/index.ts";
import { type CliCommand, checkText, type Parameter } from "./command.ts";
import { COMMAND_GROUPS } from "./commands/index.ts";
import { CHANGE_FLAGS, DATABASE_FLAGS } from "./flags.ts";
import { fileSystemError } from "./output/file-system.ts";
import { colorsFor, guarded, printJsonDefect, printJsonError } from "./output/printer.ts";
import { commandLine, EXIT, type ProcessIo } from "./process-io.ts";

/** Runs one command. Resolves to the exit code; never throws, never exits. */
export async function main(process: ProcessIo): Promise<number> {
  const io = withoutControlCharacters(process);
  try {
    return await runCommand(io, await readCommandLine(io));
  } catch (error) {
    return reportFailure(io, await orCancellation(io, error));
  }
}

async function runCommand(io: ProcessIo, invocation: Invocation): Promise<number> {
  try {
    return await invocation.command.run(io, invocation.values);
  } catch (error) {
    return reportFailure(io, await orCancellation(io, error), invocation);
  }
}

function withoutControlCharacters(io: ProcessIo): ProcessIo {
  return { ...io, stdout: guarded(io, io.stdout), stderr: guarded(io, io.stderr) };
}

/** Prints an error and returns the exit code for it. */
export async function reportFailure(
  process: ProcessIo,
  error: unknown,
  invocation?: Invocation,
): Promise<number> {
  const io = withoutControlCharacters(process);
  const isJson = io.argv.includes("--json");
  if (error instanceof CommanderError) {
    // --help and --version end here too. commander has printed its message.
    if (error.exitCode === 0) return EXIT.done;
    const hint = helpFor(io.argv);
    if (isJson)
      printJsonError(io, new MigrationError("USAGE", error.message.replace(/^error: /, ""), { hint }));
    return EXIT.usage;
  }
  const failure = error instanceof MigrationError ? error : fileSystemError(error);
  if (failure === undefined) {
    if (isJson) printJsonDefect(io, String(error));
    return reportDefect(io, error);
  }
  if (isJson) printJsonError(io, failure);
  else await printFailure(io, failure, invocation);
  return ERRORS[failure.code].exit;
}

/** Time for a signal to arrive that has ended a child process already. */
const SIGNAL_MS = 50;

/**
 * Ctrl-C ends child processes too (the compiler, initdb). The error that follows from that is a cancellation, unless it
 * says what a run has left in the database.
 */
async function orCancellation(io: ProcessIo, error: unknown): Promise<unknown> {
  if (error instanceof CommanderError) return error;
  const typed = error instanceof MigrationError ? error : undefined;
  if (typed?.code === "CANCELLED" || typed?.details.remaining !== undefined) return error;
  if (!io.signal.aborted) await sleep(SIGNAL_MS);
  const reason: unknown = io.signal.reason;
  if (!io.signal.aborted || reason instanceof MigrationError) return error;
  return new MigrationError("CANCELLED", `cancelled (${String(reason)})`, { cause: error });
}

/** The module that explains failures is loaded only when there is one. */
async function printFailure(io: ProcessIo, error: MigrationError, invocation?: Invocation): Promise<void> {
  const { printError } = await import("./output/error.ts");
  const dir = invocation?.values["migrationsDir"];
  const migrationsDir = resolve(io.cwd, typeof dir === "string" ? dir : "migrations");
  printError(io, { error, command: invocation?.command.name ?? "", migrationsDir });
}

/** A bug report needs the stack. */
function reportDefect(io: ProcessIo, error: unknown): number {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  io.stderr.write(`\nThis is a defect in cdk-pg-migrate, please report it:\n${text}\n`);
  return EXIT.failed;
}

/** A command line that was understood. */
interface Invocation {
  readonly command: CliCommand;
  /** By the names of the command's parameters; those that were not given are absent. */
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Reads the command line.
 * @throws CommanderError for one that cannot be, and for `--help` and `--version`; commander has printed its text by then
 * @throws MigrationError `USAGE` for flags that npm has kept for itself
 */
function readCommandLine(io: ProcessIo): Promise<Invocation> {
  return new Promise((resolve) => {
    const program = createProgram(io);
    for (const [group, commands] of Object.entries(COMMAND_GROUPS)) {
      for (const command of commands) {
        const added = addCommand(program, command).helpGroup(group);
        added.action(() => resolve({ command, values: valuesOf(added, command) }));
      }
    }
    program.parse(io.argv, { from: "user" });
  });
}

function createProgram(io: ProcessIo): Command {
  return new Command("cdk-pg-migrate")
    .description("Postgres migrations: one folder, one engine, on a laptop, in CI and on AWS.")
    .version(VERSION, "-v, --version")
    .configureOutput({
      outputError: (message, write) => write(usageError(io, message)),
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
    })
    .enablePositionalOptions()
    .exitOverride()
    .hook("preAction", (_program, command) => refuseSwallowedFlags(io, command));
}

/** An error of commander's in the form of all other errors. */
function usageError(io: ProcessIo, message: string): string {
  const { bold, cyan, red } = colorsFor(io, io.stderr);
  const text = message
    .replace(/^error: /, "")
    .trim()
    .replaceAll("\n", "\n  ");
  return `\n${red("Error")} ${bold("USAGE")}\n  ${text}\n\n  ${cyan("What to do:")} ${helpFor(io.argv)}\n`;
}

function helpFor([name = ""]: readonly string[]): string {
  const isCommand = Object.values(COMMAND_GROUPS)
    .flat()
    .some((command) => command.name === name);
  return isCommand ? `${commandLine(name, "--help")} lists what can be given.` : "--help lists the commands.";
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

/**
 * Settings that npm reads a flag of ours as: it takes an unknown flag for a longer one of its own that begins the
 * same, `-m` for its own `--message`, and `--sql` for its `-s -q -l`, of which `long` stays in sight.
 */
const NPM_READS: Readonly<Record<string, string>> = {
  to: "token-description",
  sql: "long",
  "migrations-dir": "message",
};

/** Flags that npm takes without a trace in the environment; `--yes` may be a setting of npm's own. */
const OUT_OF_SIGHT = ["local", "version", "help", "yes"];

/**
 * `npm run migrate:up --dry-run` gives the flag to npm, and would run for real: npm passes on only what stands
 * behind `--`. It leaves what it took in the environment, except for `--local`.
 * @throws MigrationError `USAGE`
 */
export function refuseSwallowedFlags({ env }: ProcessIo, command: Command): void {
  // npm must have started this very script.
  if (env["npm_lifecycle_event"]?.replace(/^migrate:/, "") !== command.name()) return;
  for (const option of command.options) {
    const flag = option.long?.replace(/^--/, "") ?? "";
    if (OUT_OF_SIGHT.includes(flag) || command.getOptionValueSource(option.attributeName()) === "cli")
      continue;
    const names = [flag, NPM_READS[flag] ?? flag].map((name) => `npm_config_${name.replaceAll("-", "_")}`);
    if (names.every((name) => env[name] === undefined)) continue;
    throw new MigrationError("USAGE", `npm took --${flag} for itself; nothing was run`, {
      hint: `Flags go behind two dashes: ${commandLine(command.name(), `--${flag} …`)}`,
    });
  }
}

import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CommanderError } from "commander";
import { ERRORS, MigrationError } from "../core/index.ts";
import { fileSystemError } from "./output/file-system-error.ts";
import { guarded, printJsonDefect, printJsonError } from "./output/printer.ts";
import { EXIT, type ProcessIo } from "./process-io.ts";
import { type Invocation, readCommandLine } from "./program.ts";

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
    if (isJson) printJsonError(io, new MigrationError("USAGE", error.message.replace(/^error: /, "")));
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

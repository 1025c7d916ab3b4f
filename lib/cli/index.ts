import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CommanderError } from "commander";
import { ERRORS, MigrationError } from "../core/index.ts";
import { guarded } from "./output/visible.ts";
import { type Invocation, readCommandLine } from "./program.ts";
import { EXIT, type World } from "./world.ts";

export type { World } from "./world.ts";

/** Runs one command. Resolves to the exit code; never throws, never exits. */
export async function main(given: World): Promise<number> {
  const world = withGuards(given);
  try {
    return await runCommand(world, await readCommandLine(world));
  } catch (error) {
    return reportFailure(world, await interruptionBehind(world, error));
  }
}

async function runCommand(world: World, invocation: Invocation): Promise<number> {
  try {
    return await invocation.command.run(world, invocation.values);
  } catch (error) {
    return reportFailure(world, await interruptionBehind(world, error), invocation);
  }
}

function withGuards(world: World): World {
  return { ...world, stdout: guarded(world, world.stdout), stderr: guarded(world, world.stderr) };
}

/** Everything a failure prints is loaded only now. */
export async function reportFailure(given: World, error: unknown, invocation?: Invocation): Promise<number> {
  const world = withGuards(given);
  const json = world.argv.includes("--json") ? await import("./output/json.ts") : undefined;
  if (error instanceof CommanderError) {
    // Help and version end here too. commander has printed its message.
    if (error.exitCode === 0) return EXIT.done;
    json?.printJsonError(world, new MigrationError("USAGE", error.message.replace(/^error: /, "")));
    return EXIT.usage;
  }
  const refused = error instanceof MigrationError ? undefined : await refusalOf(error);
  if (refused !== undefined) return reportFailure(world, refused, invocation);
  if (!(error instanceof MigrationError)) {
    json?.printJsonDefect(world, String(error));
    return crash(world, error);
  }
  if (json !== undefined) json.printJsonError(world, error);
  else await printForPeople(world, error, invocation);
  return ERRORS[error.code].exit;
}

/** A full disk and the like. */
async function refusalOf(error: unknown): Promise<MigrationError | undefined> {
  return (await import("./output/machine-failure.ts")).machineFailure(error);
}

/** For a signal to arrive that has ended a child process of ours as well. */
const SIGNAL_MS = 50;

/**
 * Ctrl-C reaches child processes too (the compiler, initdb): that they died of it is no failure of theirs. What a run
 * has to say of the database is kept.
 */
async function interruptionBehind(world: World, error: unknown): Promise<unknown> {
  if (error instanceof CommanderError) return error;
  const typed = error instanceof MigrationError ? error : undefined;
  if (typed?.code === "CANCELLED" || typed?.details.remaining !== undefined) return error;
  if (!world.signal.aborted) await sleep(SIGNAL_MS);
  const reason: unknown = world.signal.reason;
  if (!world.signal.aborted || reason instanceof MigrationError) return error;
  return new MigrationError("CANCELLED", `cancelled (${String(reason)})`, { cause: error });
}

async function printForPeople(world: World, error: MigrationError, invocation?: Invocation): Promise<void> {
  const { printError } = await import("./output/error.ts");
  const dir = invocation?.values["migrationsDir"];
  const migrationsDir = resolve(world.cwd, typeof dir === "string" ? dir : "migrations");
  printError(world, { error, command: invocation?.command.name ?? "", migrationsDir });
}

/** A defect of ours: the stack is what a bug report needs. */
function crash(world: World, error: unknown): number {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  world.stderr.write(`\nThis is a defect in cdk-pg-migrate, please report it:\n${text}\n`);
  return EXIT.failed;
}

import { resolve } from "node:path";
import { CommanderError } from "commander";
import { MigrationError } from "../migrator/index.ts";
import { createProgram } from "./program.ts";
import { EXIT, type World } from "./world.ts";

export type { World } from "./world.ts";

/** What ran, as far as it is known. */
interface Invocation {
  readonly command: string;
  /** As it was given. */
  readonly migrationsDir: string;
}

/** Runs one command. Resolves to the exit code; never throws, never exits. */
export async function main(world: World): Promise<number> {
  let exitCode: number = EXIT.done;
  let invocation: Invocation = { command: "", migrationsDir: "migrations" };
  const program = createProgram(world, (code) => {
    exitCode = code;
  });
  program.hook("preAction", (_program, command) => {
    const { migrationsDir = "migrations" } = command.opts<{ migrationsDir?: string }>();
    invocation = { command: command.name(), migrationsDir };
  });
  try {
    await program.parseAsync(world.argv, { from: "user" });
    return exitCode;
  } catch (error) {
    return reportFailure(world, error, invocation);
  }
}

/** Everything a failure prints is loaded only now. */
async function reportFailure(world: World, error: unknown, invocation: Invocation): Promise<number> {
  const json = world.argv.includes("--json") ? await import("./output/json.ts") : undefined;
  if (error instanceof CommanderError) {
    // Help and version end here too. commander has printed its message.
    if (error.exitCode === 0) return EXIT.done;
    json?.printJsonError(world, new MigrationError("USAGE", error.message.replace(/^error: /, "")));
    return EXIT.usage;
  }
  if (!(error instanceof MigrationError)) {
    json?.printJsonDefect(world, String(error));
    return crash(world, error);
  }
  if (json !== undefined) json.printJsonError(world, error);
  else await printForPeople(world, error, invocation);
  if (error.code === "CANCELLED") return EXIT.cancelled;
  return error.code === "USAGE" ? EXIT.usage : EXIT.failed;
}

async function printForPeople(world: World, error: MigrationError, invocation: Invocation): Promise<void> {
  const { printError } = await import("./output/error.ts");
  const migrationsDir = resolve(world.cwd, invocation.migrationsDir);
  printError(world, { error, command: invocation.command, migrationsDir });
}

/** A defect of ours: the stack is what a bug report needs. */
function crash(world: World, error: unknown): number {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  world.stderr.write(`\nThis is a defect in cdk-pg-migrate, please report it:\n${text}\n`);
  return EXIT.failed;
}

import type { MigrationError } from "../../migrator/index.ts";
import type { World } from "../world.ts";

/** The one object that `--json` prints on stdout when a command ran to its end. */
export function printJson(world: World, command: string, report: object): void {
  print(world, { ok: true, command, ...report });
}

/** The one object for a command that failed. Statements in errors have their passwords masked already. */
export function printJsonError(world: World, error: MigrationError): void {
  const { cause: _, ...details } = error.details;
  print(world, { ok: false, error: { code: error.code, message: error.message, ...details } });
}

/** The one object when the fault is ours; no code of the engine's stands for that. */
export function printJsonDefect(world: World, message: string): void {
  print(world, { ok: false, error: { code: "INTERNAL", message } });
}

function print(world: World, object: object): void {
  world.stdout.write(`${JSON.stringify(object, undefined, 2)}\n`);
}

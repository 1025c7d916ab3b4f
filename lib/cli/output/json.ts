import type { MigrationError } from "../../core/index.ts";
import { errorAsJson, resultAsJson } from "../../engine/index.ts";
import type { World } from "../world.ts";

/** The one object that `--json` prints on stdout when a command ran to its end. */
export function printJson(world: World, command: string, report: object): void {
  print(world, resultAsJson(command, report));
}

/** The one object for a command that failed. */
export function printJsonError(world: World, error: MigrationError): void {
  print(world, errorAsJson(error));
}

/** The one object when the fault is ours; no code of the engine's stands for that. */
export function printJsonDefect(world: World, message: string): void {
  print(world, { ok: false, error: { code: "INTERNAL", message } });
}

function print(world: World, object: object): void {
  world.stdout.write(`${JSON.stringify(object, undefined, 2)}\n`);
}

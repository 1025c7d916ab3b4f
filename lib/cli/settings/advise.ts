import { Hint, MigrationError } from "../../core/index.ts";
import { commandLine, type World } from "../world.ts";
import { isLoopback } from "./address.ts";
import type { Target } from "./target.ts";

/** What only the CLI knows: whether the database is this machine's own, and which commands start one. */
export function adviseOn(error: MigrationError, target: Target, world: World): MigrationError {
  if (error.details.redo !== undefined && isOwnDatabase(target, world))
    return offerRedo(error, error.details.redo);
  return offerDatabase(error, target, world);
}

/** Nobody else has it: what was applied to it can be undone. Through a tunnel, a loopback address is anybody's. */
export function isOwnDatabase({ connection, local }: Target, { env }: World): boolean {
  return local || (isLoopback(connection.host) && !env["CI"] && env["NODE_ENV"] !== "production");
}

/** The loop of who writes a migration: to apply it, edit it, apply it again. */
function offerRedo(error: MigrationError, count: number): MigrationError {
  const { hint = "", ...details } = error.details;
  const command = commandLine("redo", count === 1 ? "" : String(count));
  const advice = `On a database of your own, \`${command}\` undoes what was applied, with the rows in it, and applies the files as they are now. Elsewhere:`;
  return new MigrationError(error.code, error.message, { ...details, hint: Hint.of`${advice}\n${hint}` });
}

function offerDatabase(error: MigrationError, { connection, local }: Target, world: World): MigrationError {
  const nobodyListens = error.code === "CONNECTION" && error.message.startsWith("connection refused");
  if (!nobodyListens || local || world.env["CI"] || !isLoopback(connection.host)) return error;
  const { hint = "", ...details } = error.details;
  const advice = `\`docker compose up -d --wait postgres\` starts one in Docker; \`${commandLine("up", "--local")}\` uses the embedded Postgres, without Docker.`;
  return new MigrationError(error.code, error.message, { ...details, hint: Hint.of`${hint}\n${advice}` });
}

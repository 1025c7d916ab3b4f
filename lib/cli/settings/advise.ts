import { MigrationError } from "../../migrator/index.ts";
import { commandLine, type World } from "../world.ts";
import { isLoopback } from "./database.ts";
import type { Target } from "./target.ts";

/** What only the CLI knows about a failed connection: which commands start a database on this machine. */
export function adviseOn(error: MigrationError, { connection, local }: Target, world: World): MigrationError {
  const nobodyListens = error.code === "CONNECTION" && error.message.startsWith("connection refused");
  if (!nobodyListens || local || world.env["CI"] || !isLoopback(connection.host)) return error;
  const { hint = "", ...details } = error.details;
  const advice = `\`docker compose up -d --wait postgres\` starts one in Docker; \`${commandLine("up", "--local")}\` uses the embedded Postgres, without Docker.`;
  return new MigrationError(error.code, error.message, { ...details, hint: `${hint}\n${advice}`.trim() });
}

import { MigrationError } from "../../core/index.ts";
import type { ConnectionSettings } from "../../migrator/index.ts";
import { isLoopback } from "../settings/address.ts";
import { readDatabaseSettings } from "../settings/database.ts";
import { chooseTarget, type TargetFlags } from "../settings/target.ts";
import { readVariables } from "../settings/variables.ts";
import type { World } from "../world.ts";
import { type ScratchProvider, scratchOn } from "./scratch.ts";
import { shadowAt } from "./shadow.ts";

export interface ChosenScratch {
  readonly scratch: ScratchProvider;
  /** Said first when it is not the configured server. */
  readonly notes: readonly string[];
}

/** `SHADOW_DATABASE_URL` if it is set and `--local` is not given; else the server that the other commands use. */
export async function chooseScratch(world: World, flags: TargetFlags): Promise<ChosenScratch> {
  const { environment, dotEnv } = readVariables(world.env, world.cwd);
  const url = environment["SHADOW_DATABASE_URL"] ?? dotEnv["SHADOW_DATABASE_URL"];
  if (url !== undefined && !flags.local) {
    const shadow = readShadow(url, { ...dotEnv, ...environment }, world.cwd);
    const settings = readDatabaseSettings({ environment, dotEnv }, world.cwd);
    // The database is there for this, but its roles are those of the server.
    const fenced = !settings.guessed && isSameServer(shadow, settings.connection);
    return { scratch: shadowAt(shadow, { fenced }), notes: [] };
  }
  const { connection, local, notes } = await chooseTarget(world, flags);
  return { scratch: scratchOn(connection, { fenced: !local }), notes };
}

function isSameServer(one: ConnectionSettings, other: ConnectionSettings): boolean {
  const hostOf = ({ host }: ConnectionSettings): string =>
    isLoopback(host) ? "localhost" : host.toLowerCase();
  return one.port === other.port && hostOf(one) === hostOf(other);
}

/** Read as `DATABASE_URL` is, with the same certificates. */
function readShadow(url: string, variables: Readonly<Record<string, string>>, cwd: string) {
  const read = (environment: Readonly<Record<string, string>>) =>
    readDatabaseSettings({ environment, dotEnv: {} }, cwd).connection;
  try {
    const alone = read({ DATABASE_URL: url });
    // Certificates of a remote server say nothing about one on this machine.
    if (isLoopback(alone.host) && variables["DATABASE_SSL"] === undefined) return alone;
    const tls = Object.entries(variables).filter(([name]) => name.startsWith("DATABASE_SSL"));
    return read({ ...Object.fromEntries(tls), DATABASE_URL: url });
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    const message = error.message.replace(/\bDATABASE_URL\b/, "SHADOW_DATABASE_URL");
    throw new MigrationError(error.code, message, error.details);
  }
}

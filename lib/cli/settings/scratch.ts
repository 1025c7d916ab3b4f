import { MigrationError } from "../../core/index.ts";
import type { ConnectionSettings } from "../../postgres/index.ts";
import { type ScratchProvider, scratchOn, shadowAt } from "../../review/verify/index.ts";
import type { World } from "../world.ts";
import { isLoopback } from "./address.ts";
import { readDatabaseSettings } from "./database.ts";
import { chooseTarget, type TargetFlags } from "./target.ts";
import { readVariables } from "./variables.ts";

export interface ChosenScratch {
  readonly scratch: ScratchProvider;
  /** Printed first, if it is not the configured server. */
  readonly notes: readonly string[];
}

/** `SHADOW_DATABASE_URL` if it is set and `--local` is not given; else the server that the other commands use. */
export async function chooseScratch(world: World, flags: TargetFlags): Promise<ChosenScratch> {
  const { environment, dotEnv } = readVariables(world.env, world.cwd);
  const url = environment["SHADOW_DATABASE_URL"] ?? dotEnv["SHADOW_DATABASE_URL"];
  if (url !== undefined && !flags.local) {
    const shadow = readShadow(url, { ...dotEnv, ...environment }, world.cwd);
    const settings = readDatabaseSettings({ environment, dotEnv }, world.cwd);
    // A shadow database on the configured server shares its roles.
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

/** Reads it like `DATABASE_URL`, with the same certificates. */
function readShadow(url: string, variables: Readonly<Record<string, string>>, cwd: string) {
  const read = (environment: Readonly<Record<string, string>>) =>
    readDatabaseSettings({ environment, dotEnv: {} }, cwd).connection;
  try {
    const alone = read({ DATABASE_URL: url });
    // TLS settings for a remote server do not apply to this machine.
    if (isLoopback(alone.host) && variables["DATABASE_SSL"] === undefined) return alone;
    const tls = Object.entries(variables).filter(([name]) => name.startsWith("DATABASE_SSL"));
    return read({ ...Object.fromEntries(tls), DATABASE_URL: url });
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    const message = error.message.replace(/\bDATABASE_URL\b/, "SHADOW_DATABASE_URL");
    throw new MigrationError(error.code, message, error.details);
  }
}

import { existsSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import {
  type DatabaseSettings,
  isLoopback,
  readDatabaseSettings,
  readUrlSettings,
  readVariables,
  type Variables,
} from "../../client/index.ts";
import { errorCode, Hint, MigrationError } from "../../core/index.ts";
import type { ConnectionSettings } from "../../postgres/index.ts";
import { type ScratchProvider, scratchOn, shadowAt } from "../../review/verify/index.ts";
import { commandLine, type ProcessIo } from "../process-io.ts";

/** The database a command works on. */
export interface Target {
  readonly connection: ConnectionSettings;
  /** Whether it is the embedded database. */
  readonly local: boolean;
  /** Where the address is set. */
  readonly origin: string;
  /** The same user on another server or database. */
  connectionTo(place: Pick<ConnectionSettings, "host" | "port" | "database">): ConnectionSettings;
  /** Printed first: the database, the user, where they are set, and warnings about the settings. */
  readonly notes: readonly string[];
}

/** As much of a target as it takes to decide what may be done there. */
export type TargetPlace = Pick<Target, "connection" | "local">;

export interface TargetFlags {
  /** Use the embedded database whatever the settings say. */
  readonly local?: boolean | undefined;
  /** In place of the address in the environment. */
  readonly url?: string | undefined;
  /** In place of `.env`. */
  readonly envFile?: string | undefined;
}

/**
 * The embedded database with `--local`, otherwise the database of the settings. If nothing is set and nothing listens on
 * the default port, it is the embedded one too, but neither in CI nor in production.
 */
export async function chooseTarget(io: ProcessIo, flags: TargetFlags): Promise<Target> {
  if (flags.local) return useLocal(io, "The embedded");
  const variables = readVariables(io.env, io.cwd, flags.envFile);
  const { connection, connectionTo, guessed, origin, notes } = readSettings(io, flags, variables);
  const { host, port, database, user } = connection;
  const at = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const mayUseEmbedded = guessed && !io.env["CI"] && io.env["NODE_ENV"] !== "production";
  if (mayUseEmbedded && (await isRefused(host, port))) {
    return useLocal(io, `No DATABASE_* is set and nothing listens on ${at}: the embedded`);
  }
  const where = `Database ${database} on ${at} as ${user} (from ${origin})`;
  return {
    connection,
    connectionTo,
    local: false,
    origin,
    notes: [where, ...notes, ...pgVariablesNote(variables), ...misnamedNote(variables)],
  };
}

function readSettings({ cwd }: ProcessIo, { url }: TargetFlags, variables: Variables): DatabaseSettings {
  if (url === undefined) return readDatabaseSettings(variables, cwd);
  const values = { ...variables.dotEnv, ...variables.environment };
  return readUrlSettings(url, { urlName: "--url", cwd, values });
}

async function useLocal(io: ProcessIo, lead: string): Promise<Target> {
  const { startLocal } = await import("../../embedded/index.ts");
  const { connection, started, major, note } = await startLocal({ projectDir: io.cwd });
  const { host, port, database, user } = connection;
  const state = started ? "was started" : "is used";
  const line = `${lead} Postgres ${major} ${state} (database ${database} on ${host}:${port} as ${user})`;
  return {
    connection,
    connectionTo: ({ host, port, database }) => ({ ...connection, host, port, database }),
    local: true,
    origin: "the embedded Postgres",
    notes: note === undefined ? [line] : [line, note],
  };
}

const NOT_READ = ["PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE"];

/** Users of psql expect these to work. They are not read: a forgotten one could select another database. */
function pgVariablesNote({ environment, dotEnv }: Variables): string[] {
  const set = NOT_READ.filter((name) => name in environment || name in dotEnv);
  const hasOwn = [environment, dotEnv].some((values) =>
    Object.keys(values).some((name) => name.startsWith("DATABASE_")),
  );
  if (set.length === 0 || hasOwn) return [];
  const are = set.length === 1 ? "is" : "are";
  return [`Note: ${set.join(", ")} ${are} not read here; set DATABASE_* or DATABASE_URL instead.`];
}

/** Names that other tools read, and the name that is read here. */
const MISNAMED: Readonly<Record<string, string>> = {
  DATABASE_USERNAME: "DATABASE_USER",
  DATABASE_PASS: "DATABASE_PASSWORD",
  DATABASE_DB: "DATABASE_NAME",
  DATABASE_DBNAME: "DATABASE_NAME",
  DATABASE_HOSTNAME: "DATABASE_HOST",
  DATABASE_SERVER: "DATABASE_HOST",
  DATABASE_URI: "DATABASE_URL",
  DATABASE_SSLMODE: "DATABASE_SSL",
  DATABASE_SSL_MODE: "DATABASE_SSL",
};

function misnamedNote({ environment, dotEnv }: Variables): string[] {
  const isSet = (name: string) => name in environment || name in dotEnv;
  return Object.entries(MISNAMED)
    .filter(([wrong, right]) => isSet(wrong) && !isSet(right))
    .map(([wrong, right]) => `Note: ${wrong} is not read; the setting is ${right}.`);
}

function isRefused(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: 2000 });
    const settle = (refused: boolean) => {
      socket.destroy();
      resolve(refused);
    };
    socket.once("connect", () => settle(false));
    socket.once("timeout", () => settle(false));
    socket.once("error", (error) => settle(isConnectionRefused(error)));
  });
}

/** For a host with several addresses, Node throws an AggregateError, whose first error may be about missing IPv6. */
function isConnectionRefused(error: Error): boolean {
  const errors = error instanceof AggregateError ? error.errors : [error];
  return errors.some((cause) => errorCode(cause) === "ECONNREFUSED");
}

/** Adds hints that depend on the machine: `redo` on a developer's own database, and how to start a database. */
export function adviseOn(error: MigrationError, target: Target, io: ProcessIo): MigrationError {
  if (error.details.redo !== undefined && isOwnDatabase(target, io))
    return offerRedo(error, error.details.redo);
  return offerDatabase(error, target, io);
}

/** Whether only this developer uses it, so that it is safe to undo what was applied. */
export function isOwnDatabase({ connection, local }: Target, { env }: ProcessIo): boolean {
  return local || (isLoopback(connection.host) && !env["CI"] && env["NODE_ENV"] !== "production");
}

function offerRedo(error: MigrationError, count: number): MigrationError {
  const { hint = "", ...details } = error.details;
  const command = commandLine("redo", count === 1 ? "" : String(count));
  const advice = `On a database of your own, \`${command}\` undoes what was applied, with the rows in it, and applies the files as they are now. Elsewhere:`;
  return new MigrationError(error.code, error.message, { ...details, hint: Hint.of`${advice}\n${hint}` });
}

function offerDatabase(error: MigrationError, { connection, local }: Target, io: ProcessIo): MigrationError {
  const refused = error.code === "CONNECTION" && error.message.startsWith("connection refused");
  if (!refused || local || io.env["CI"] || !isLoopback(connection.host)) return error;
  const { hint = "", ...details } = error.details;
  const embedded = `\`${commandLine("up", "--local")}\` uses the embedded Postgres, without Docker.`;
  const hasCompose = existsSync(join(io.cwd, "docker-compose.yml"));
  const docker = "`docker compose up -d --wait postgres` starts one in Docker; ";
  const advice = hasCompose ? docker + embedded : embedded;
  return new MigrationError(error.code, error.message, { ...details, hint: Hint.of`${hint}\n${advice}` });
}

interface ChosenScratch {
  readonly scratch: ScratchProvider;
  /** Printed first, if it is not the configured server. */
  readonly notes: readonly string[];
}

/** `SHADOW_DATABASE_URL` if it is set and `--local` is not given; else the server that the other commands use. */
export async function chooseScratch(io: ProcessIo, flags: TargetFlags): Promise<ChosenScratch> {
  const variables = readVariables(io.env, io.cwd, flags.envFile);
  const { environment, dotEnv } = variables;
  const url = environment["SHADOW_DATABASE_URL"] ?? dotEnv["SHADOW_DATABASE_URL"];
  if (url !== undefined && !flags.local) {
    const sources = { urlName: "SHADOW_DATABASE_URL", cwd: io.cwd, values: { ...dotEnv, ...environment } };
    const shadow = readUrlSettings(url, sources).connection;
    const settings = readSettings(io, flags, variables);
    // A shadow database on the configured server shares its roles.
    const fenced = !settings.guessed && isSameServer(shadow, settings.connection);
    return { scratch: shadowAt(shadow, { fenced }), notes: [] };
  }
  const { connection, local, notes } = await chooseTarget(io, flags);
  return { scratch: scratchOn(connection, { fenced: !local }), notes };
}

function isSameServer(one: ConnectionSettings, other: ConnectionSettings): boolean {
  const hostOf = ({ host }: ConnectionSettings): string =>
    isLoopback(host) ? "localhost" : host.toLowerCase();
  return one.port === other.port && hostOf(one) === hostOf(other);
}

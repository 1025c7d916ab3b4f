import { createConnection } from "node:net";
import { errorCode } from "../../core/index.ts";
import type { ConnectionSettings } from "../../postgres/index.ts";
import type { World } from "../world.ts";
import { readDatabaseSettings } from "./database.ts";
import { readVariables, type Variables } from "./variables.ts";

/** The database a command works on. */
export interface Target {
  readonly connection: ConnectionSettings;
  /** Whether it is the embedded one. */
  readonly local: boolean;
  /** Printed first: which database it is, as whom, and where that is set; then what is odd about the settings. */
  readonly notes: readonly string[];
}

export interface TargetFlags {
  /** Use the embedded database whatever the settings say. */
  readonly local?: boolean | undefined;
}

/**
 * The embedded database on request; else the one of the settings. Only when nothing is set at all, on a machine
 * that is neither CI nor production, and nothing listens on the default port, the embedded one steps in by itself.
 */
export async function chooseTarget(world: World, flags: TargetFlags): Promise<Target> {
  if (flags.local) return useLocal(world, "The embedded");
  const variables = readVariables(world.env, world.cwd);
  const { connection, guessed, origin, notes } = readDatabaseSettings(variables, world.cwd);
  const { host, port, database, user } = connection;
  const at = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const mayStepIn = guessed && !world.env["CI"] && world.env["NODE_ENV"] !== "production";
  if (mayStepIn && (await isRefused(host, port))) {
    return useLocal(world, `No DATABASE_* is set and nothing listens on ${at}: the embedded`);
  }
  const where = `Database ${database} on ${at} as ${user} (from ${origin})`;
  return {
    connection,
    local: false,
    notes: [where, ...notes, ...pgVariablesNote(variables), ...misnamedNote(variables)],
  };
}

async function useLocal(world: World, lead: string): Promise<Target> {
  const { startLocal } = await import("../../embedded/index.ts");
  const { connection, started, major, note } = await startLocal({ projectDir: world.cwd });
  const { host, port, database } = connection;
  const line = `${lead} Postgres ${major} ${started ? "was started" : "is used"} (database ${database} on ${host}:${port})`;
  return { connection, local: true, notes: note === undefined ? [line] : [line, note] };
}

const NOT_READ = ["PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE"];

/** People who know psql set these and wonder; they are not read, because a forgotten one would pick the database. */
function pgVariablesNote({ environment, dotEnv }: Variables): string[] {
  const set = NOT_READ.filter((name) => name in environment || name in dotEnv);
  const ours = [environment, dotEnv].some((values) =>
    Object.keys(values).some((name) => name.startsWith("DATABASE_")),
  );
  if (set.length === 0 || ours) return [];
  const are = set.length === 1 ? "is" : "are";
  return [`Note: ${set.join(", ")} ${are} not read here; set DATABASE_* or DATABASE_URL instead.`];
}

/** Names that other tools read, and ours for the same. */
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
    socket.once("error", (error) => settle(saysRefused(error)));
  });
}

/** A host with several addresses gives an AggregateError; where there is no IPv6 its first error is another one. */
function saysRefused(error: Error): boolean {
  const errors = error instanceof AggregateError ? error.errors : [error];
  return errors.some((one) => errorCode(one) === "ECONNREFUSED");
}

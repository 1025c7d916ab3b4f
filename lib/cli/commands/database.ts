import { spawn } from "node:child_process";
import { resolve as resolvePath } from "node:path";
import * as v from "valibot";
import { findAgent, readVariables } from "../../client/index.ts";
import { errorCode, MigrationError } from "../../core/index.ts";
import { resetLocal, startLocal, stopLocal } from "../../embedded/index.ts";
import { type ConnectionSettings, closeClient } from "../../postgres/index.ts";
import { connectTo } from "../../review/catalog/index.ts";
import { requireApprovedPlan } from "../approval.ts";
import { defineCommand, type Values } from "../command.ts";
import { JSON_FLAG, TARGET_FLAGS } from "../flags.ts";
import { createPrinter, printJson } from "../output/printer.ts";
import { commandLine, EXIT, type ProcessIo } from "../process-io.ts";
import { chooseTarget } from "../settings/target.ts";

/** The commands on the embedded Postgres of the project, and psql. */
export const databaseCommands = [
  defineCommand({
    name: "db:start",
    summary: "start the embedded Postgres of this project",
    input: {},
    flags: JSON_FLAG,
    run: (io, flags) => start(io, flags),
  }),
  defineCommand({
    name: "db:stop",
    summary: "stop it; the data stays",
    input: {},
    flags: JSON_FLAG,
    run: (io, flags) => stop(io, flags),
  }),
  defineCommand({
    name: "db:reset",
    summary: "stop it and delete its data",
    input: {},
    flags: JSON_FLAG,
    run: (io, flags) => reset(io, flags),
  }),
  defineCommand({
    name: "db:psql",
    summary: "open psql on the database that the other commands use",
    passesThrough: true,
    input: {
      arguments: {
        ...v.exactOptional(v.array(v.string())),
        written: "[arguments...]",
        meaning: "passed on to psql",
        isRepeated: true,
      },
    },
    flags: TARGET_FLAGS,
    run: (io, flags, input) => psql(io, flags, input.arguments),
  }),
];

type LocalFlags = Values<typeof JSON_FLAG>;

/** `db:start`: starts the embedded Postgres, or finds it running. */
async function start(io: ProcessIo, flags: LocalFlags): Promise<number> {
  const server = await startLocal({ projectDir: io.cwd });
  const { host, port, database, user } = server.connection;
  if (flags.json) {
    printJson(io, "db:start", {
      started: server.started,
      major: server.major,
      host,
      port,
      database,
      user,
    });
    return EXIT.done;
  }
  const printer = createPrinter(io, io.stdout);
  const state = server.started ? "started" : "already runs";
  printer.line(`Postgres ${server.major} ${state} on ${host}:${port} (database ${database}, user ${user}).`);
  printer.line(`Its data is in ${server.dataDir}.`);
  if (server.note !== undefined) printer.line(server.note);
  printer.line(`${commandLine("up", "--local")} migrates it; ${commandLine("db:stop")} stops it.`);
  return EXIT.done;
}

/** `db:stop`: stops the embedded Postgres; its data stays. */
async function stop(io: ProcessIo, flags: LocalFlags): Promise<number> {
  const { stopped } = await stopLocal({ projectDir: io.cwd });
  if (flags.json) printJson(io, "db:stop", { stopped });
  else createPrinter(io, io.stdout).line(stopped ? "Stopped. The data stays." : "It was not running.");
  return EXIT.done;
}

/** `db:reset`: stops the embedded Postgres and deletes its data. No other database is ever touched. */
async function reset(io: ProcessIo, flags: LocalFlags): Promise<number> {
  const agent = findAgent(io.env);
  if (agent !== undefined) requireApprovedPlan(undefined, { agent, command: "db:reset" });
  await resetLocal({ projectDir: io.cwd });
  if (flags.json) printJson(io, "db:reset", {});
  else
    createPrinter(io, io.stdout).line(
      "The embedded database and its data are gone; the next start makes a new one.",
    );
  return EXIT.done;
}

/** `db:psql`: opens psql on the database that the other commands use. */
async function psql(
  io: ProcessIo,
  flags: Values<typeof TARGET_FLAGS>,
  args: readonly string[] = [],
): Promise<number> {
  const { connection, notes } = await chooseTarget(io, flags);
  for (const note of notes) createPrinter(io, io.stderr).line(note);
  // psql would give the password to any server that asks for it in clear text; before version 16 nothing stops it.
  await connectTo(connection, io.signal).then(closeClient);
  const { host, port, database, user, password, tls } = connection;
  // The password goes by the environment: arguments are visible to every user of the machine.
  const env = {
    ...io.env,
    PGPASSWORD: password,
    PGSSLMODE: tls.mode,
    ...(tls.mode === "disable"
      ? { PGREQUIREAUTH: "!password,!md5" }
      : { PGSSLROOTCERT: caFile(io, flags.envFile) }),
  };
  const where = ["-h", host, "-p", String(port), "-U", user, "-d", database];
  // psql stops a query on Ctrl-C and stays.
  io.leaveInterruptsToChild();
  return new Promise((resolve, reject) => {
    const child = spawn("psql", [...where, ...args], { stdio: "inherit", env });
    child.once("error", (cause) =>
      reject(errorCode(cause) === "ENOENT" ? notInstalled(connection, cause) : cause),
    );
    child.once("close", (code) => resolve(code ?? EXIT.failed));
  });
}

/** `system`: what the machine trusts, as Node does without a file (psql 16 and newer). */
function caFile(io: ProcessIo, envFile: string | undefined): string {
  const { environment, dotEnv } = readVariables(io.env, io.cwd, envFile);
  const file = environment["DATABASE_SSL_CA"] ?? dotEnv["DATABASE_SSL_CA"];
  return file === undefined ? "system" : resolvePath(io.cwd, file);
}

function notInstalled({ host, port, database, user }: ConnectionSettings, cause: unknown): MigrationError {
  return new MigrationError(
    "TOOL_MISSING",
    "psql is not installed on this machine (the embedded Postgres has none)",
    {
      hint: `Install the Postgres client, or connect another one to host ${host}, port ${port}, database ${database}, user ${user}.`,
      cause,
    },
  );
}

import { Command, Option } from "commander";
import type { MigrationLanguage } from "../bundle/index.ts";
import { VERSION } from "../core/index.ts";
import { addDatabaseFlags, addFolderFlag, addJsonFlag, addRunFlags, count, limit } from "./commands/flags.ts";
import { colorsFor } from "./output/printer.ts";
import { refuseSwallowedFlags } from "./swallowed-flags.ts";
import type { World } from "./world.ts";

/** Named here too, because loading the bundle would cost every command. */
const LANGUAGES = ["ts", "js", "mjs", "cjs", "mts", "sql"] satisfies MigrationLanguage[];

/** Takes the exit code of the command that ran. */
export type Finish = (exitCode: number) => void;

/** The commands and their flags. What a command needs is loaded when it is the one that runs. */
export function createProgram(world: World, finish: Finish): Command {
  const program = new Command("cdk-pg-migrate")
    .description("Postgres migrations: one folder, one engine, on a laptop, in CI and on AWS.")
    .version(VERSION, "-v, --version")
    .configureOutput({
      outputError: (message, write) => write(usageError(world, message)),
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      getOutHelpWidth: () => world.stdout.columns ?? 100,
      getErrHelpWidth: () => world.stderr.columns ?? 100,
    })
    .enablePositionalOptions()
    .exitOverride()
    .hook("preAction", (_program, command) => refuseSwallowedFlags(world, command));
  addRunCommands(program, world, finish);
  addLookingCommands(program, world, finish);
  addSettlingCommands(program, world, finish);
  addDatabaseCommands(program, world, finish);
  return program;
}

/** An error of commander's in the form of all other errors. */
function usageError(world: World, message: string): string {
  const { bold, cyan, red } = colorsFor(world, world.stderr);
  const text = message
    .replace(/^error: /, "")
    .trim()
    .replaceAll("\n", "\n  ");
  return `\n${red("Error")} ${bold("USAGE")}\n  ${text}\n\n  ${cyan("What to do:")} --help lists what can be given.\n`;
}

function addRunCommands(program: Command, world: World, finish: Finish): void {
  const load = () => import("./commands/run.ts");
  addRunFlags(
    program
      .command("up")
      .description("apply pending migrations")
      .argument("[count]", "how many (default: all)", count)
      .option("--to <name>", "as far as and including this migration")
      .option("--dry-run", "show the SQL, run nothing")
      .option("--fake", "record the migrations as applied, run no SQL"),
  ).action(async (number, flags) => finish(await (await load()).up(world, number, flags)));
  addRunFlags(
    program
      .command("down")
      .description("undo the migrations applied last")
      .argument("[count]", "how many (default: 1)", count)
      .option("--to <name>", "everything applied after this migration, which stays")
      .option("--batch", "everything that the last run applied")
      .addOption(fromOption())
      .option("--dry-run", "show the SQL, run nothing")
      .option("--fake", "remove the migrations from the record, run no SQL"),
  ).action(async (number, flags) => finish(await (await load()).down(world, number, flags)));
  addRunFlags(
    program
      .command("redo")
      .description("undo the last migrations and apply the same again")
      .argument("[count]", "how many (default: 1)", count)
      .option("--batch", "everything that the last run applied")
      .addOption(fromOption()),
  ).action(async (number, flags) => finish(await (await load()).redo(world, number, flags)));
}

function addLookingCommands(program: Command, world: World, finish: Finish): void {
  addDatabaseFlags(
    program
      .command("status")
      .description("show every migration and its state")
      .option("--check", "exit with 3 when anything is pending, changed, partial or missing")
      .option("--all", "show old applied migrations too"),
  ).action(async (flags) => finish(await (await import("./commands/status.ts")).status(world, flags)));
  addDatabaseFlags(
    program
      .command("plan")
      .description("show the exact SQL that would run")
      .argument("[count]", "how many migrations (default: all; with --down: 1)", count)
      .option("--down", "the SQL of `down`")
      .option("--to <name>", "as `up` or `down` take it")
      .option("--batch", "with --down: everything that the last run applied")
      .addOption(fromOption()),
  ).action(async (number, flags) =>
    finish(await (await import("./commands/plan.ts")).plan(world, number, flags)),
  );
  addDatabaseFlags(
    program
      .command("lint")
      .description(
        "look for what is dangerous in the SQL of pending migrations (needs squawk-cli and libpg-query)",
      )
      .option("--all", "look at applied migrations too")
      .addOption(
        new Option("--format <format>", "for people, or as annotations of GitHub (default: text)").choices([
          "text",
          "github",
        ]),
      ),
  ).action(async (flags) => finish(await (await import("./commands/lint.ts")).lint(world, flags)));
  addDatabaseFlags(
    program
      .command("verify")
      .description("prove on a scratch database that every migration can be undone")
      .option("--keep", "leave the scratch database for a look at it"),
  ).action(async (flags) => finish(await (await import("./commands/verify.ts")).verify(world, flags)));
  addDatabaseFlags(
    program
      .command("dump")
      .description("write the schema of the database to a file, the same for the same schema")
      .option("--output <file>", "where to; - is the standard output", "schema.sql")
      .option("--force", "also replace a file that dump has not written")
      .option("--check", "write nothing; exit with 1 when the file is not what would be written"),
  ).action(async (flags) => finish(await (await import("./commands/dump.ts")).dump(world, flags)));
  addJsonFlag(addFolderFlag(program.command("create")))
    .description("write a new migration from a template")
    .argument("<name...>", "what it does, such as add-user-table")
    .option("--sql", "as a SQL file")
    .addOption(
      new Option("-j, --language <extension>", "as a file of this kind (default: ts)").choices([
        ...LANGUAGES,
      ]),
    )
    .action(async (words, flags) =>
      finish(await (await import("./commands/create.ts")).create(world, words, flags)),
    );
}

/** Commands in which a person decides, and the record of it. */
function addSettlingCommands(program: Command, world: World, finish: Finish): void {
  const load = () => import("./commands/settle.ts");
  const note = ["--note <text>", "why, for the history"] as const;
  addRunFlags(
    program
      .command("repair")
      .description("accept applied migrations whose files have changed, or were renamed")
      .argument("[names...]", "which (default: all that are changed)")
      .option(...note),
  ).action(async (names, flags) => finish(await (await load()).repair(world, names, flags)));
  addRunFlags(
    program
      .command("resolve")
      .description("settle a migration that stopped half-way, outside a transaction")
      .argument("<name>", "the migration")
      .option("--retry", "go on after its last finished statement")
      .option("--applied", "you have finished it by hand")
      .option("--reverted", "you have taken back what it did")
      .option(...note),
  ).action(async (name, flags) => finish(await (await load()).resolve(world, name, flags)));
  addRunFlags(
    program
      .command("baseline")
      .description("declare an existing database to be at a migration, run no SQL")
      .option("--to <name>", "it and all before it count as applied (default: none)")
      .option(...note),
  ).action(async (flags) => finish(await (await load()).baseline(world, flags)));
  addDatabaseFlags(
    program
      .command("history")
      .description("show what was done to this database, newest first")
      .option("--migration <name>", "only this migration")
      .addOption(new Option("--action <action>", "only this action").choices([...ACTIONS]))
      .addOption(
        new Option("--state <state>", "only what is in this state").choices([
          "started",
          "finished",
          "failed",
        ]),
      )
      .addOption(new Option("--failed", "only what failed (--state failed)").conflicts("state"))
      .option("--limit <number>", "at most so many (default: 50)", limit),
  ).action(async (flags) => finish(await (await import("./commands/history.ts")).history(world, flags)));
}

const ACTIONS = ["up", "down", "fake", "baseline", "repair", "resolve"] as const;

function fromOption(): Option {
  const text = "which SQL undoes where a file and the history disagree (default: refuse)";
  return new Option("--from <source>", text).choices(["file", "history"]);
}

function addDatabaseCommands(program: Command, world: World, finish: Finish): void {
  const load = () => import("./commands/database.ts");
  addJsonFlag(program.command("db:start"))
    .description("start the embedded Postgres of this project")
    .action(async (flags) => finish(await (await load()).start(world, flags)));
  addJsonFlag(program.command("db:stop"))
    .description("stop it; the data stays")
    .action(async (flags) => finish(await (await load()).stop(world, flags)));
  addJsonFlag(program.command("db:reset"))
    .description("stop it and delete its data")
    .action(async (flags) => finish(await (await load()).reset(world, flags)));
  program
    .command("db:psql")
    .description("open psql on the database that the other commands use")
    .argument("[arguments...]", "passed on to psql")
    .option("--local", "on the embedded Postgres of this project")
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args, flags) => finish(await (await load()).psql(world, args, flags)));
}

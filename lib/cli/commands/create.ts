import { relative, resolve } from "node:path";
import { createMigration, type MigrationLanguage } from "../../bundle/index.ts";
import { MigrationError } from "../../core/index.ts";
import { printJson } from "../output/json.ts";
import { createPrinter } from "../output/printer.ts";
import { commandLine, EXIT, type World } from "../world.ts";
import { type FolderFlags, listingOptions } from "./flags.ts";

export interface CreateFlags extends FolderFlags {
  readonly sql?: boolean;
  readonly language?: MigrationLanguage;
  readonly json?: boolean;
}

export async function create(world: World, words: readonly string[], flags: CreateFlags): Promise<number> {
  const dir = resolve(world.cwd, flags.migrationsDir);
  if (flags.sql && flags.language !== undefined && flags.language !== "sql") {
    throw new MigrationError("USAGE", `--sql and --language ${flags.language} exclude each other`, {
      hint: "Give one of them.",
    });
  }
  const language = flags.sql ? "sql" : (flags.language ?? "ts");
  const created = await createMigration({ dir, name: words.join("-"), language, ...listingOptions(flags) });
  const file = relative(world.cwd, created.file);
  if (flags.json) {
    printJson(world, "create", { name: created.name, file });
    return EXIT.done;
  }
  const printer = createPrinter(world, world.stdout);
  const where = flags.migrationsDir === "migrations" ? "" : `-m ${relative(world.cwd, dir)}`;
  printer.line(`Created ${file}`);
  printer.line(
    `Fill in its up and down; ${commandLine("plan", where)} then shows the SQL, ${commandLine("up", where)} runs it.`,
  );
  return EXIT.done;
}

import { relative, resolve } from "node:path";
import { createMigration, type MigrationLanguage } from "../../bundle/index.ts";
import { fromSource } from "../../migrator/index.ts";
import { printJson } from "../output/json.ts";
import { createPrinter } from "../output/printer.ts";
import { commandLine, EXIT, type World } from "../world.ts";

export interface CreateFlags {
  readonly migrationsDir: string;
  readonly sql?: boolean;
  readonly language?: MigrationLanguage;
  readonly json?: boolean;
}

export async function create(world: World, words: readonly string[], flags: CreateFlags): Promise<number> {
  const dir = resolve(world.cwd, flags.migrationsDir);
  const language = flags.sql ? "sql" : (flags.language ?? "ts");
  const created = await fromSource(() => createMigration({ dir, name: words.join("-"), language }));
  const file = relative(world.cwd, created.file);
  if (flags.json) {
    printJson(world, "create", { name: created.name, file });
    return EXIT.done;
  }
  const printer = createPrinter(world, world.stdout);
  printer.line(`Created ${file}`);
  printer.line(
    `Fill in its up and down; ${commandLine("plan")} then shows the SQL, ${commandLine("up")} runs it.`,
  );
  return EXIT.done;
}

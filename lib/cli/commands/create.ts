import { relative, resolve } from "node:path";
import * as v from "valibot";
import { MigrationError } from "../../core/index.ts";
import { createMigration, type MigrationLanguage } from "../../folder/index.ts";
import { choice, defineCommand, toggle } from "../command.ts";
import { FOLDER_FLAGS, JSON_FLAG, listingOptions } from "../flags.ts";
import { createPrinter, printJson } from "../output/printer.ts";
import { commandLine, EXIT } from "../process-io.ts";

/** Named here too, because loading the bundle would cost every command. */
const LANGUAGES = ["ts", "js", "mjs", "cjs", "mts", "sql"] as const satisfies MigrationLanguage[];

export const create = defineCommand({
  name: "create",
  summary: "write a new migration from a template",
  input: {
    name: {
      ...v.array(v.string()),
      written: "<name...>",
      meaning: "what it does, such as add-user-table",
      isRepeated: true,
    },
  },
  flags: {
    sql: toggle("--sql", "as a SQL file"),
    language: choice("-j, --language <extension>", "as a file of this kind (default: ts)", LANGUAGES),
    ...FOLDER_FLAGS,
    ...JSON_FLAG,
  },
  run: async (io, flags, { name: words }) => {
    const dir = resolve(io.cwd, flags.migrationsDir);
    if (flags.sql && flags.language !== undefined && flags.language !== "sql") {
      throw new MigrationError("USAGE", `--sql and --language ${flags.language} exclude each other`, {
        hint: "Give one of them.",
      });
    }
    const language = flags.sql ? "sql" : (flags.language ?? "ts");
    const created = await createMigration({ dir, name: words.join("-"), language, ...listingOptions(flags) });
    const file = relative(io.cwd, created.file);
    if (flags.json) {
      printJson(io, "create", { name: created.name, file });
      return EXIT.done;
    }
    const printer = createPrinter(io, io.stdout);
    const where = flags.migrationsDir === "migrations" ? "" : `-m ${relative(io.cwd, dir)}`;
    printer.line(`Created ${file}`);
    printer.line(
      `Fill in its up and down; ${commandLine("plan", where)} then shows the SQL, ${commandLine("up", where)} runs it.`,
    );
    return EXIT.done;
  },
});

import { relative, resolve } from "node:path";
import * as v from "valibot";
import { MigrationError, property } from "../../core/index.ts";
import {
  type CreatedMigration,
  createFromRecipe,
  createMigration,
  type MigrationLanguage,
  RECIPES,
  type RecipeName,
  type RecipeValues,
} from "../../folder/index.ts";
import { choice, defineCommand, text, toggle, type Values } from "../command.ts";
import { FOLDER_FLAGS, JSON_FLAG, listingOptions } from "../flags.ts";
import { createPrinter, printJson } from "../output/printer.ts";
import { commandLine, EXIT, type ProcessIo } from "../process-io.ts";

/** Named here too, because loading the bundle would cost every command. */
const LANGUAGES = ["ts", "js", "mjs", "cjs", "mts", "sql"] as const satisfies MigrationLanguage[];
const RECIPE_NAMES = [
  "rename-column",
  "change-type",
  "add-not-null",
  "add-foreign-key",
  "split-table",
  "drop-column",
  "add-index",
  "backfill",
] as const satisfies RecipeName[];

/** What recipes are told. */
const RECIPE_VALUES = {
  table: text("--table <name>", "of a recipe: the table, such as orders or shop.orders"),
  column: text("--column <name>", "of a recipe: the column, or several with commas between them"),
  to: text("--to <name>", "of a recipe: the new name of the column, or the new table"),
  type: text("--type <type>", "of a recipe: the type of the new column"),
  references: text("--references <table>", "of a recipe: the table that a foreign key refers to"),
  value: text("--value <sql>", "of a recipe: what rows without a value get"),
  key: text("--key <column>", "of a recipe: the key of the table referred to, or split (default: id)"),
  default: text("--default <sql>", "of a recipe: the default that the new column takes over"),
  notNull: toggle("--not-null", "of a recipe: the column is NOT NULL"),
};

const FLAGS = {
  sql: toggle("--sql", "as a SQL file"),
  language: choice("-j, --language <extension>", "as a file of this kind (default: ts)", LANGUAGES),
  recipe: choice("--recipe <kind>", "write the SQL files of a usual change of a table in use", RECIPE_NAMES),
  ...RECIPE_VALUES,
  ...FOLDER_FLAGS,
  ...JSON_FLAG,
};

type Flags = Values<typeof FLAGS>;

export const create = defineCommand({
  name: "create",
  summary: "write a new migration from a template, or those of a recipe",
  input: {
    name: {
      ...v.array(v.string()),
      written: "<name...>",
      meaning: "what it does, such as add-user-table",
      isRepeated: true,
    },
  },
  flags: FLAGS,
  run: async (io, flags, { name: words }) => {
    const name = words.join("-");
    if (flags.sql && flags.language !== undefined && flags.language !== "sql") {
      throw new MigrationError("USAGE", `--sql and --language ${flags.language} exclude each other`, {
        hint: "Give one of them.",
      });
    }
    return flags.recipe === undefined
      ? createOne(io, flags, name)
      : createAll(io, flags, { name, recipe: flags.recipe });
  },
});

async function createOne(io: ProcessIo, flags: Flags, name: string): Promise<number> {
  const [unused] = givenValues(flags);
  if (unused !== undefined) {
    throw new MigrationError("USAGE", `${unused} is for a recipe, and none is given`, {
      hint: `Name one with --recipe: ${RECIPE_NAMES.join(", ")}.`,
    });
  }
  const language = flags.sql ? "sql" : (flags.language ?? "ts");
  const dir = resolve(io.cwd, flags.migrationsDir);
  const created = await createMigration({ dir, name, language, ...listingOptions(flags) });
  const file = relative(io.cwd, created.file);
  if (flags.json) {
    printJson(io, "create", { name: created.name, file });
    return EXIT.done;
  }
  const printer = createPrinter(io, io.stdout);
  const where = whereOf(io, flags);
  printer.line(`Created ${file}`);
  printer.line(
    `Fill in its up and down; ${commandLine("plan", where)} then shows the SQL, ${commandLine("up", where)} runs it.`,
  );
  return EXIT.done;
}

interface WantedRecipe {
  readonly name: string;
  readonly recipe: RecipeName;
}

async function createAll(io: ProcessIo, flags: Flags, { name, recipe }: WantedRecipe): Promise<number> {
  if (flags.language !== undefined && flags.language !== "sql") {
    throw new MigrationError("USAGE", `a recipe is written as SQL, not as ${flags.language}`, {
      hint: "Leave --language out.",
    });
  }
  const values = await readValues(io, flags, recipe);
  const dir = resolve(io.cwd, flags.migrationsDir);
  const created = await createFromRecipe({ dir, name, ...listingOptions(flags) }, recipe, values);
  const fileOf = ({ file }: CreatedMigration) => relative(io.cwd, file);
  if (flags.json) {
    const migrations = created.map((one) => ({ name: one.name, file: fileOf(one) }));
    printJson(io, "create", { recipe, migrations });
    return EXIT.done;
  }
  const printer = createPrinter(io, io.stdout);
  for (const one of created) printer.line(`Created ${fileOf(one)}`);
  printer.line(
    `Read the comments in ${created.length === 1 ? "it" : "them"}: they say what to check. ${commandLine("plan", whereOf(io, flags))} shows the SQL.`,
  );
  return EXIT.done;
}

function whereOf(io: ProcessIo, { migrationsDir }: Flags): string {
  return migrationsDir === "migrations" ? "" : `-m ${relative(io.cwd, resolve(io.cwd, migrationsDir))}`;
}

function isValueName(name: string): name is keyof typeof RECIPE_VALUES {
  return Object.hasOwn(RECIPE_VALUES, name);
}

const VALUE_NAMES = Object.keys(RECIPE_VALUES).filter(isValueName);

/** The flags of recipes that were given. */
function givenValues(flags: Flags): readonly string[] {
  return VALUE_NAMES.filter((name) => flags[name] !== undefined).map(flagFor);
}

function flagFor(name: keyof RecipeValues): string {
  return name === "notNull" ? "--not-null" : `--${name}`;
}

/** What the recipe is told: by flags, or at a terminal by answers. @throws MigrationError `USAGE` */
async function readValues(io: ProcessIo, flags: Flags, recipe: RecipeName): Promise<RecipeValues> {
  const { needs, takes } = RECIPES[recipe];
  const known: readonly string[] = [...Object.keys(needs), ...takes].filter(isValueName).map(flagFor);
  const unknown = givenValues(flags).find((flag) => !known.includes(flag));
  if (unknown !== undefined) {
    throw new MigrationError("USAGE", `recipe ${recipe} takes no ${unknown}`, {
      hint: `It takes ${known.join(", ")}.`,
    });
  }
  const answers: Record<string, string> = {};
  const missing: string[] = [];
  for (const [name, meaning] of Object.entries(needs)) {
    if (property(flags, name) !== undefined) continue;
    const answer = flags.json ? undefined : await io.ask(`${capitalized(meaning)}: `);
    if (answer?.trim()) answers[name] = answer;
    else missing.push(`--${name}`);
  }
  if (missing.length > 0) throw incomplete(recipe, missing, needs);
  return { ...flags, ...answers };
}

function incomplete(
  recipe: RecipeName,
  missing: readonly string[],
  needs: Readonly<Record<string, string>>,
): MigrationError {
  const meanings = missing.map((flag) => `${flag}: ${needs[flag.slice(2)]}`);
  return new MigrationError("USAGE", `recipe ${recipe} needs ${missing.join(", ")}`, {
    hint: `Give ${meanings.join("; ")}.`,
  });
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

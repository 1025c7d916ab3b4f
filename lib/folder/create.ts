import { mkdir, open, readdir, readFile, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { errorCode, errorMessage, Hint, MigrationError, numericPrefix, property } from "../core/index.ts";
import { classifyFileName, extensionOf, ignoreRule, MIGRATION_EXTENSIONS, nameProblem } from "./listing.ts";
import type { RecipeValues } from "./recipes/recipe-file.ts";
import { RECIPES, type RecipeName } from "./recipes/recipes.ts";

export interface CreateMigrationOptions {
  /** Created if missing. */
  readonly dir: string;
  /** What the migration does, in words: "add user table" becomes add-user-table. */
  readonly name: string;
  /** @default "ts" */
  readonly language?: MigrationLanguage;
  /** As in `ReadFolderOptions`. */
  readonly ignorePattern?: string;
  /** @default - the current time */
  readonly now?: Date;
}

export interface CreatedMigration {
  /** Absolute path of the new file. */
  readonly file: string;
  /** The migration's name, number included. */
  readonly name: string;
}

/**
 * Writes a new migration from a template. Its number is the time in milliseconds, or a date of 14 digits if the newest
 * migration has one, but always greater than the newest migration's: a colleague's clock may have been ahead.
 * @throws MigrationError `USAGE` for a name that a migration cannot have, `FILE_SYSTEM` if the file cannot be written.
 */
export async function createMigration(options: CreateMigrationOptions): Promise<CreatedMigration> {
  const { language = "ts" } = options;
  const stem = migrationStem(options.name);
  return inFolder(options, async (dir, number) => {
    const name = `${number}_${stem}`;
    const file = join(dir, `${name}.${language}`);
    await writeNew(file, migrationTemplate(language, await typesPackage(dir)));
    return { file, name };
  });
}

/**
 * Writes the files of a recipe, numbered in the order in which they run: all of them, or none.
 * @throws MigrationError as `createMigration`, and `USAGE` for a value that is no name
 */
export async function createFromRecipe(
  options: Omit<CreateMigrationOptions, "language">,
  recipe: RecipeName,
  values: RecipeValues,
): Promise<readonly CreatedMigration[]> {
  const files = RECIPES[recipe].files(values);
  const stems = files.map(({ step }) => migrationStem([options.name, step].filter(Boolean).join("-")));
  return inFolder(options, async (dir, first) => {
    const names = new Map(files.map(({ step }, index) => [step, `${first + index}_${stems[index]}`]));
    const created: CreatedMigration[] = [];
    try {
      for (const { step, text } of files) {
        const name = names.get(step) ?? step;
        const file = join(dir, `${name}.sql`);
        await writeNew(
          file,
          text((other) => names.get(other) ?? other),
        );
        created.push({ file, name });
      }
      return created;
    } catch (error) {
      for (const { file } of created) await unlink(file).catch(() => undefined);
      throw error;
    }
  });
}

/** Does work with the folder, which is created if it is missing, and the number of the next migration. */
async function inFolder<T>(
  { dir: given, ignorePattern, now = new Date() }: Omit<CreateMigrationOptions, "name">,
  work: (dir: string, number: number) => Promise<T>,
): Promise<T> {
  const dir = resolve(given);
  try {
    await mkdir(dir, { recursive: true });
    return await work(dir, nextPrefix(await migrationFiles(dir, ignorePattern), now));
  } catch (cause) {
    throw cause instanceof MigrationError ? cause : cannotWrite(dir, cause);
  }
}

/** As long as the longest number, a UTC date of 17 digits, with its underscore. */
const PREFIX = "0".repeat(17).concat("_");
/** Most file systems allow 255 bytes, extension included. */
const MAX_FILE_NAME = 255 - ".sql".length;

/**
 * The name of a migration without its number: spaces and underscores become dashes, as in node-pg-migrate.
 * @throws MigrationError `USAGE` for a name that could not be loaded later, or not be checked out on Windows.
 */
function migrationStem(words: string): string {
  const stem = words.trim().replace(/[ _]+/g, "-");
  const problem = stemProblem(stem);
  if (problem === undefined) return stem;
  const [message, hint] = problem;
  throw new MigrationError("USAGE", `migration name ${JSON.stringify(words)} ${message}`, { hint });
}

function stemProblem(stem: string): readonly [message: string, hint: string | Hint] | undefined {
  if (!/[\p{L}\p{N}]/u.test(stem)) return ["says nothing", 'say what it does, such as "add user table"'];
  if (/[/\\]/.test(stem))
    return ["holds a path separator", Hint.of`give a name, and the folder with ${Hint.folder()}`];
  if (stem.startsWith(".")) return ["begins with a dot", "leave the dot out"];
  if (/[<>:"|?*]/.test(stem)) return ['holds one of < > : " | ? *, which Windows refuses', "leave it out"];
  const ending = /\.(?:d|up|down)$/i.exec(stem)?.[0] ?? migrationExtension(stem);
  if (ending !== undefined) return [`ends with "${ending}", which is reserved`, "leave the ending out"];
  if (Buffer.byteLength(PREFIX + stem) > MAX_FILE_NAME) return ["is too long for a file name", "shorten it"];
  return nameProblem(stem) ?? oddCharacter(stem);
}

/**
 * Shells read such a character as their own, a contract cannot name a migration with a quote, and what is not seen cannot be
 * typed. The folder's listing takes such files from elsewhere.
 */
function oddCharacter(stem: string): readonly [message: string, hint: string] | undefined {
  const [odd] = /[^\p{L}\p{M}\p{N}.-]/u.exec(stem) ?? [];
  if (odd === undefined) return undefined;
  return [`holds ${JSON.stringify(odd)}; a name has letters, digits, dashes and dots`, "leave it out"];
}

function migrationExtension(stem: string): string | undefined {
  const extension = extensionOf(stem);
  return MIGRATION_EXTENSIONS.includes(extension.toLowerCase()) ? extension : undefined;
}

/** Never overwrites a file; removes the new one if it cannot be written whole (a full disk). */
async function writeNew(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx");
  try {
    await handle.writeFile(text);
    await handle.close();
  } catch (error) {
    await handle.close().catch(() => undefined);
    await unlink(file).catch(() => undefined);
    throw error;
  }
}

/**
 * The package that a new file imports its types from: node-pg-migrate if the project depends on it, as its other
 * migrations do; else this package, whose copy of the types every compiler finds. A strict `node_modules` hides packages
 * that the project does not depend on directly, and node-pg-migrate's own types are for ES modules only.
 */
async function typesPackage(dir: string): Promise<string> {
  if (await dependsOnEngine(join(dir, "package.json"))) return "node-pg-migrate";
  const parent = dirname(dir);
  return parent === dir ? "cdk-pg-migrate" : typesPackage(parent);
}

async function dependsOnEngine(manifest: string): Promise<boolean> {
  try {
    const content: unknown = JSON.parse(await readFile(manifest, "utf8"));
    return ["dependencies", "devDependencies"].some(
      (group) => property(property(content, group), "node-pg-migrate") !== undefined,
    );
  } catch {
    // Missing or broken: npm reports that.
    return false;
  }
}

async function migrationFiles(dir: string, ignorePattern: string | undefined): Promise<readonly string[]> {
  const isIgnored = ignoreRule(ignorePattern);
  return (await readdir(dir)).filter(
    (fileName) => !isIgnored(fileName) && classifyFileName(fileName).kind === "migration",
  );
}

/** A date of 14 digits (YYYYMMDDHHMMSS), which as a number is greater than any time in milliseconds. */
const SECONDS = /^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?!\d)/;

function nextPrefix(fileNames: readonly string[], now: Date): number {
  const used = fileNames.map((fileName) => ({ fileName, prefix: numericPrefix(fileName) }));
  const newest = used.reduce((a, b) => (b.prefix > a.prefix ? b : a), { fileName: "", prefix: -1 });
  // After such a date, only another date sorts last and shows the right year.
  const time = SECONDS.test(newest.fileName) ? inSeconds(now) : now.valueOf();
  const prefix = Math.max(time, newest.prefix + 1);
  if (Number.isSafeInteger(prefix)) return prefix;
  throw new MigrationError("USAGE", `no number comes after that of ${newest.fileName}`, {
    hint: "give that file a smaller number: a time in milliseconds, or a UTC date of 17 digits",
  });
}

function inSeconds(now: Date): number {
  return Number(now.toISOString().slice(0, 19).replace(/\D/g, ""));
}

function cannotWrite(dir: string, cause: unknown): MigrationError {
  const code = errorCode(cause);
  const hint =
    code === "ENOTDIR" || code === "EEXIST"
      ? "something else has that name; choose another folder or try again"
      : "check that the folder may be written to";
  return new MigrationError("FILE_SYSTEM", `cannot create a migration in ${dir}: ${errorMessage(cause)}`, {
    hint,
    cause,
  });
}

/** Languages a migration can be written in, by their extension. */
export const MIGRATION_LANGUAGES = ["ts", "js", "mjs", "cjs", "mts", "sql"] as const;

export type MigrationLanguage = (typeof MIGRATION_LANGUAGES)[number];

const GUIDE = `// up makes a change to the database, down takes it back. Both run in a transaction.
//
//   pgm.createTable("users", { id: "id", email: { type: "text", notNull: true, unique: true } });
//   pgm.addColumns("users", { name: { type: "text" } });
//   pgm.createIndex("users", "email");
//   pgm.addConstraint("orders", "orders_user_fk", {
//     foreignKeys: { columns: "user_id", references: "users(id)", onDelete: "CASCADE" },
//   });
//   pgm.sql("UPDATE users SET name = email WHERE name IS NULL");
//
// Without the transaction, for what Postgres refuses inside one (the statements then run one by one):
//   pgm.noTransaction();
//   pgm.createIndex("users", "email", { concurrently: true });
//
// Without a down, it is worked out from up where every call can be turned round (pgm.sql cannot be). If there
// is no way back, say why: export const irreversible = "the reason".
//
// All calls: https://salsita.github.io/node-pg-migrate/migrations/
`;

const UP = "// What this migration changes.";

/** Stands for the package that the types are imported from. */
const TYPES = "\0types";

const TYPESCRIPT = `import type { MigrationBuilder } from "${TYPES}";

${GUIDE}
export async function up(pgm: MigrationBuilder): Promise<void> {
  ${UP}
}

// export async function down(pgm: MigrationBuilder): Promise<void> {
//   pgm.dropTable("users");
// }
`;

const PARAMETER = `/** @param {import("${TYPES}").MigrationBuilder} pgm */`;

const MODULE = `${GUIDE}
${PARAMETER}
export async function up(pgm) {
  ${UP}
}

// ${PARAMETER}
// export async function down(pgm) {
//   pgm.dropTable("users");
// }
`;

const COMMONJS = `${GUIDE}
${PARAMETER}
exports.up = async (pgm) => {
  ${UP}
};

// ${PARAMETER}
// exports.down = async (pgm) => {
//   pgm.dropTable("users");
// };
`;

const SQL = `-- The section "Up Migration" makes a change to the database, "Down Migration" takes it back. Each runs
-- in a transaction. Without the second heading the migration cannot be undone.
--
-- For what Postgres refuses inside a transaction (CREATE INDEX CONCURRENTLY, ALTER TYPE … ADD VALUE in old
-- versions) make this the first line of the file; the statements then run one by one:
-- "-- migrate: no-transaction"

-- Up Migration
-- CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE);

-- Down Migration
-- DROP TABLE users;
`;

/** The text of a new migration: a short guide, and nothing that would run. For `typesPackage` see `createMigration`. */
function migrationTemplate(language: MigrationLanguage, typesPackage: string): string {
  return textOf(language).replaceAll(TYPES, typesPackage);
}

function textOf(language: MigrationLanguage): string {
  switch (language) {
    case "sql":
      return SQL;
    case "ts":
    case "mts":
      return TYPESCRIPT;
    case "cjs":
      return COMMONJS;
    case "js":
    case "mjs":
      return MODULE;
  }
}

import { type FileProblem, MigrationError, problemLines } from "../core/index.ts";
import type { SourceFolder } from "./source-folder.ts";
import { fileText } from "./sql-text.ts";
import { type AppliedMigration, type ForeignMigration, namesInOrder, type Row, type Tool } from "./tool.ts";

/** What an import would write and record. */
export interface ImportPlan {
  /** In running order. */
  readonly migrations: readonly ImportedMigration[];
  /** Applied migrations of the other tool that the baseline stands for. */
  readonly replaced: readonly string[];
  /** What cannot be converted, and what to do instead. */
  readonly problems: readonly FileProblem[];
  /** What a person should look at. */
  readonly remarks: readonly string[];
}

export interface ImportedMigration {
  readonly name: string;
  /** In the other tool's folder; absent for the baseline. */
  readonly source?: string;
  /** Of the new file; absent if a migration of that name exists already, which is kept. */
  readonly text?: string;
  readonly applied: boolean;
}

export interface ImportRequest {
  readonly tool: Tool;
  readonly folder: SourceFolder;
  /** Rows of the tool's table, oldest first; undefined without a database. */
  readonly rows: readonly Row[] | undefined;
  /** Names of the migrations that this tool's folder has already. */
  readonly existing: ReadonlySet<string>;
  /** The schema of the tool's table. */
  readonly tableSchema?: string;
  /** Those on the search path of the migrations here. */
  readonly searchPath?: readonly string[] | undefined;
  /** SQL of the present schema, if one migration with it shall replace all that is applied. */
  readonly schema?: string;
  /** Objects that it cannot have, by kind and name. */
  readonly omitted?: readonly string[];
  /** The baseline that an import into another database has written. */
  readonly baseline?: BaselineFile | undefined;
}

export interface BaselineFile {
  readonly name: string;
  readonly text: string;
}

interface Named extends ForeignMigration {
  readonly name: string;
}

/**
 * Compares the tool's folder with its table.
 * @throws MigrationError `USAGE` for a folder without migrations, `PARTIAL` for a migration that failed after some of its
 * statements, `MIGRATION` for a file that does what the baseline does, `MISSING` for one that is applied and has no file, `SQUASHED` for a database that cannot have the baseline of the folder
 */
export async function planImport(request: ImportRequest): Promise<ImportPlan> {
  const { tool, folder, rows, existing, schema, omitted = [] } = request;
  const found = await tool.readFolder(folder);
  if (found.length === 0) throw noMigrations(tool, folder);
  const names = namesInOrder(found.map(({ title }) => title));
  const migrations = found.map((one, index) => ({ ...one, name: names[index] ?? one.title }));
  const applied = rows === undefined ? [] : tool.readTable(rows, migrations);
  if (schema === undefined) requireFiles(tool, migrations, applied);
  const keys = new Set(applied.map(({ key }) => key));
  const isReplaced = (one: Named) => schema !== undefined && keys.has(one.key);
  if (request.baseline === undefined) {
    const twice = migrations.filter((one) => isReplaced(one) && existing.has(one.name));
    refuseTwice(tool, twice);
  }
  const remarks = [
    ...(schema === undefined ? otherSchema(request) : []),
    ...callbacks(tool, folder),
    ...(schema === undefined ? changedFiles(migrations, applied) : []),
    ...outOfOrder(migrations, keys),
    ...listNotes(
      migrations.filter((one) => !isReplaced(one)),
      applied,
    ),
    ...omitted.map((object) => `The baseline cannot have the ${object}: create it by hand elsewhere.`),
  ];
  const kept = migrations.filter((one) => !isReplaced(one));
  const baseline = schema === undefined ? [] : [baselineOf(request, migrations.filter(isReplaced), schema)];
  return {
    migrations: [
      ...baseline.map(({ migration }) => migration),
      ...kept.flatMap((one) =>
        imported(tool, one, { applied: keys.has(one.key), exists: existing.has(one.name) }),
      ),
    ],
    replaced: migrations.filter(isReplaced).map(({ file }) => file),
    problems: kept.flatMap((one) => problemOf(one, existing)),
    remarks: [...baseline.flatMap((one) => one.remarks), ...remarks],
  };
}

function imported(
  { title }: Tool,
  { name, file, content }: Named,
  { applied, exists }: { readonly applied: boolean; readonly exists: boolean },
): ImportedMigration[] {
  if (exists) return [{ name, source: file, applied }];
  if (content.kind !== "sql") return [];
  return [{ name, source: file, text: fileText(content.up, content.down, title), applied }];
}

function problemOf({ name, file, content }: Named, existing: ReadonlySet<string>): FileProblem[] {
  if (content.kind === "sql" || existing.has(name)) return [];
  return [
    {
      file,
      message: content.reason,
      hint: `write it by hand as ${name}.sql or ${name}.ts, then import again`,
    },
  ];
}

interface Baseline {
  readonly migration: ImportedMigration;
  readonly remarks: readonly string[];
}

/** One migration in place of all that is applied. It takes the number of the newest of them. */
function baselineOf(
  { tool, baseline: existing }: ImportRequest,
  replaced: readonly Named[],
  schema: string,
): Baseline {
  const prefix = /^\d+/.exec(replaced.at(-1)?.name ?? "")?.[0] ?? "0";
  const migration = { name: `${prefix}${baselineSuffix(tool)}`, applied: true };
  const files = replaced.map(({ file }) => `--   ${file}\n`).join("");
  const comment = `-- irreversible: it is the schema that ${tool.title} had made with\n${files}`;
  const text = `${comment}-- Up Migration\n${schema}\n`;
  if (existing === undefined) return { migration: { ...migration, text }, remarks: [] };
  if (existing.name !== migration.name) throw otherBaseline(tool, existing.name, migration.name);
  if (existing.text === text) return { migration, remarks: [] };
  return {
    migration,
    remarks: [`${existing.name} was made from a database with another schema than this one.`],
  };
}

/** What follows the number in the name of a baseline. */
export function baselineSuffix({ title }: Tool): string {
  return `_baseline-from-${title.toLowerCase()}`;
}

/** A new database would run both. */
function refuseTwice({ title }: Tool, twice: readonly Named[]): void {
  if (twice.length === 0) return;
  const names = twice.map(({ name }) => name).join(", ");
  const message = `the baseline stands for what the folder has already, converted from ${title}: ${names}`;
  throw new MigrationError("MIGRATION", message, {
    hint: "Delete these files and import again; or keep them, write the others by hand, and leave --baseline out.",
  });
}

function otherBaseline({ title }: Tool, existing: string, name: string): MigrationError {
  const message = `the folder has ${existing}, made from a database to which ${title} had applied other migrations; here it would be ${name}`;
  return new MigrationError("SQUASHED", message, {
    hint: `Let ${title} bring this database to the same migration, then import again. If it is ahead, take the file away and make the baseline here.`,
  });
}

function requireFiles(tool: Tool, migrations: readonly Named[], applied: readonly AppliedMigration[]): void {
  const known = new Set(migrations.map(({ key }) => key));
  const missing = applied.map(({ key }) => key).filter((key) => !known.has(key));
  if (missing.length === 0) return;
  const message = `the table of ${tool.title} names applied migrations that have no file: ${missing.join(", ")}`;
  throw new MigrationError("MISSING", message, {
    hint: "Bring their files back, or name the right folder with --source; or replace all that is applied with one migration of the present schema: --baseline.",
  });
}

/** Files that were edited after they were applied, where the tool keeps a checksum. */
function changedFiles(migrations: readonly Named[], applied: readonly AppliedMigration[]): string[] {
  const files = new Map(migrations.map((one) => [one.key, one]));
  return applied.flatMap(({ key, checksum }) => {
    const file = files.get(key);
    if (checksum == null || file?.checksum === undefined || file.checksum === checksum) return [];
    return [`${file.file} has changed since it was applied; it is recorded as it is now.`];
  });
}

function callbacks({ title, callback }: Tool, { files }: SourceFolder): string[] {
  const found = files.filter((file) => callback?.test(file) === true);
  if (found.length === 0) return [];
  return [`${title} also ran ${found.join(", ")}, which has no counterpart here.`];
}

/** Unqualified names mean other tables if the tool had another schema on its search path. */
function otherSchema({ tool, tableSchema, searchPath = ["public"] }: ImportRequest): string[] {
  if (tableSchema === undefined || [...searchPath, tool.table.schema].includes(tableSchema)) return [];
  return [
    `The table of ${tool.title} is in the schema ${tableSchema}. If that was first on its search path, give --schema ${tableSchema} to the import and to every command after it.`,
  ];
}

function outOfOrder(migrations: readonly Named[], applied: ReadonlySet<string>): string[] {
  const newest = migrations.findLastIndex(({ key }) => applied.has(key));
  const older = migrations.slice(0, Math.max(newest, 0)).filter(({ key }) => !applied.has(key));
  if (older.length === 0) return [];
  const names = older.map(({ name }) => name).join(", ");
  return [`Pending, but older than an applied one: ${names}. Applying them takes --order warn.`];
}

function listNotes(migrations: readonly Named[], applied: readonly AppliedMigration[]): string[] {
  const names = new Map<string, string[]>();
  for (const { key, name, notes = [] } of migrations) {
    const ofRow = applied.find((one) => one.key === key)?.notes ?? [];
    for (const note of [...notes, ...ofRow]) names.set(note, [...(names.get(note) ?? []), name]);
  }
  return [...names].map(([note, list]) => `${note}: ${list.join(", ")}.`);
}

function noMigrations(tool: Tool, { dir }: SourceFolder): MigrationError {
  return new MigrationError("USAGE", `no migration of ${tool.title} in ${dir}`, {
    hint: "Name the folder that holds them with --source, and the tool with --from.",
  });
}

/** @throws MigrationError `MIGRATION` if something cannot be converted */
export function requireConverted(tool: Tool, { problems }: ImportPlan): void {
  if (problems.length === 0) return;
  const count = problems.length === 1 ? "1 migration" : `${problems.length} migrations`;
  const message = [`${count} of ${tool.title} cannot be converted:`, ...problemLines(problems)].join("\n");
  throw new MigrationError("MIGRATION", message, {
    problems,
    hint: `If they are applied, --baseline replaces all that is applied with one migration of the present schema. Let ${tool.title} apply the pending ones first. --files-only writes what can be converted.`,
  });
}

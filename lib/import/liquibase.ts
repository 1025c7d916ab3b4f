import { resolve } from "node:path";
import { MigrationError } from "../core/index.ts";
import { isEmptySql } from "../sql/index.ts";
import { EMPTY_ROLLBACK, readChangeSets } from "./formatted-sql.ts";
import type { SourceFolder } from "./source-folder.ts";
import { section } from "./sql-text.ts";
import {
  type AppliedMigration,
  type ForeignMigration,
  type Row,
  refuseFailed,
  type SqlContent,
  sqlContent,
  type Tool,
  type Unconvertible,
  unconvertible,
} from "./tool.ts";

/**
 * Each changeSet becomes one migration. Files of SQL are read as they are. What is in XML, YAML or JSON only Liquibase
 * turns into SQL: its `update-sql` and `future-rollback-sql` write that to files, which are read instead.
 */
export const liquibase: Tool = {
  title: "Liquibase",
  folder: "src/main/resources/db/changelog",
  table: {
    name: "databasechangelog",
    columns: ["orderexecuted", "id", "author", "filename", "exectype", "md5sum", "description", "contexts"],
    companions: ["databasechangeloglock"],
    lock: { name: "databasechangeloglock", column: "locked", release: "liquibase release-locks" },
  },
  readFolder,
  readTable,
};

async function readFolder(folder: SourceFolder): Promise<ForeignMigration[]> {
  const records = await readRecords(folder);
  const changelogs = folder.files.filter((file) => /\.(?:sql|xml|ya?ml|json)$/.test(file));
  const texts = await Promise.all(changelogs.map(async (file) => ({ file, text: await folder.text(file) })));
  const exported = texts.filter(({ text }) => EXPORTED_UP.test(text));
  if (exported.length > 0) {
    const undone = texts.filter(({ text }) => EXPORTED_DOWN.test(text));
    return readExport(exported, undone, records);
  }
  const ofSql = texts.filter(({ file }) => file.endsWith(".sql"));
  requireSqlOnly(texts.filter((one) => !ofSql.includes(one) && /\bdatabaseChangeLog\b/.test(one.text)));
  return ofSql.flatMap((changelog) => readSqlFile(folder, changelog, records));
}

interface Changelog {
  readonly file: string;
  readonly text: string;
}

const EXPORT =
  'Run liquibase future-rollback-sql, then liquibase update-sql, with --url "offline:postgresql?changeLogFile=export/records.csv" and --output-file export/down.sql and export/up.sql; then import with --source export.';

function requireSqlOnly(others: readonly Changelog[]): void {
  if (others.length === 0) return;
  const message = `only Liquibase turns XML, YAML and JSON into SQL: ${others.map(({ file }) => file).join(", ")}`;
  throw new MigrationError("MIGRATION", message, {
    hint: `${EXPORT} If all changeSets are in files of SQL, name their folder instead.`,
  });
}

/** How Liquibase names a changeSet. */
interface Identity {
  readonly file: string;
  readonly id: string;
  readonly author: string;
}

function keyOf({ file, id, author }: Identity): string {
  const path = file.replaceAll("\\", "/").replace(/^classpath\*?:/, "");
  return `${path.replace(/^(?:\.?\/)+/, "")}::${id}::${author}`;
}

function titleOf({ file, id }: Omit<Identity, "author">, isAlone: boolean): string {
  const base = file.slice(file.lastIndexOf("/") + 1).replace(/\.\w+$/, "");
  return (isAlone ? base : `${base}_${id}`).replaceAll(/[^\w.-]+/g, "-");
}

function readSqlFile({ dir }: SourceFolder, { file, text }: Changelog, records: Records): ForeignMigration[] {
  const changeSets = readChangeSets(text);
  return changeSets.map(({ id, author, logicalFile, content, notes }) => ({
    // Liquibase names a file relative to a folder that only its settings know, so the end of this path is compared.
    key: keyOf({ file: logicalFile ?? resolve(dir, file), id, author }),
    file: `${file}::${id}::${author}`,
    title: titleOf({ file, id }, changeSets.length === 1),
    content,
    notes,
    ...checksumOf(records, keyOf({ file: logicalFile ?? file, id, author })),
  }));
}

const EXPORTED_UP = /^-- Changeset (?=.*::.*::)/m;
const EXPORTED_DOWN = /^-- Rolling Back ChangeSet: (?=.*::.*::)/m;

function readExport(
  up: readonly Changelog[],
  down: readonly Changelog[],
  records: Records,
): ForeignMigration[] {
  for (const changelog of up) requireOffline(changelog);
  const undo = new Map(down.flatMap(({ text }) => exportedSections(text, EXPORTED_DOWN)));
  const sections = up.flatMap(({ text }) => exportedSections(text, EXPORTED_UP));
  const files = sections.map(([key]) => identityOf(key).file);
  return sections.flatMap(([key, sql]) => {
    if (sql === "" && hasNoSql(records.get(key)?.description)) return [];
    const identity = identityOf(key);
    const title = titleOf(identity, files.filter((file) => file === identity.file).length === 1);
    const content = exportedContent(sql, undo.get(key));
    return [{ key, file: key, title, content, ...checksumOf(records, key) }];
  });
}

/** With the address of a database, the output also has Liquibase's own statements, and only what is pending there. */
function requireOffline({ file, text }: Changelog): void {
  if (!/^INSERT INTO \S*databasechangelog /im.test(text)) return;
  throw new MigrationError("MIGRATION", `${file} has statements for the tables of Liquibase`, {
    hint: EXPORT,
  });
}

/** Each changeSet and its SQL. */
function exportedSections(text: string, start: RegExp): [key: string, sql: string][] {
  return text
    .split(new RegExp(start.source, "gm"))
    .slice(1)
    .map((part) => {
      const [name = "", ...lines] = part.split("\n");
      return [keyOf(identityOf(name)), lines.join("\n").trim()];
    });
}

function identityOf(key: string): Identity {
  const [, file = "", id = "", author = ""] = /^(.*)::(.*?)::(.*)$/.exec(key) ?? [];
  return { file, id, author };
}

function exportedContent(up: string, down: string | undefined): SqlContent | Unconvertible {
  if (isEmptySql([up])) return unconvertible("Liquibase has written no SQL for it");
  if (![up, down].every((sql = "") => isEmptySql([sql]) || sql.endsWith(";")))
    return unconvertible(
      "its SQL does not end with a semicolon: let Liquibase write it without its endDelimiter",
    );
  return sqlContent(section(up), section(down === "" ? EMPTY_ROLLBACK : (down ?? "")));
}

/** Changes of Liquibase that do nothing in the database. */
function hasNoSql(description: string | null = ""): boolean {
  const changes = description?.split(/;\s*/) ?? [""];
  return changes.every((change) => /^(?:tagDatabase|empty|output)\b/.test(change));
}

/** What Liquibase has written about each changeSet to the file of an offline database. */
type Records = ReadonlyMap<string, { readonly checksum: string; readonly description: string }>;

async function readRecords(folder: SourceFolder): Promise<Records> {
  const files = folder.files.filter((file) => file.endsWith(".csv"));
  const texts = await Promise.all(files.map(async (file) => (await folder.bytes(file)).toString("utf8")));
  const lines = texts
    .filter((text) => text.startsWith('"ID","AUTHOR","FILENAME"'))
    .flatMap((text) => text.split("\n"));
  return new Map(
    lines.map((line) => {
      const fields = [...line.matchAll(/(?<=^|,)(?:"((?:[^"]|"")*)")?(?=,|$)/g)].map(
        ([, field = ""]) => field,
      );
      const [id = "", author = "", file = "", , , , checksum = "", description = ""] = fields;
      return [keyOf({ file, id, author }), { checksum, description }];
    }),
  );
}

function checksumOf(records: Records, key: string): { readonly checksum?: string } {
  const checksum = records.get(key)?.checksum;
  return checksum === undefined ? {} : { checksum };
}

const FAILED_HINT = "Let liquibase update run to its end first, until its status shows no failed changeSet.";

function readTable(
  rows: readonly Row[],
  migrations: readonly ForeignMigration[],
): readonly AppliedMigration[] {
  const failed = rows.filter(({ exectype }) => exectype === "FAILED");
  refuseFailed("Liquibase", failed.map(rowKey), FAILED_HINT);
  return rows.flatMap((row) => {
    const key = rowKey(row);
    const found = find(key, migrations);
    // A context may be left out of the export, or of the folder.
    if (found === undefined) return hasNoSql(row["description"]) || hasContext(row) ? [] : [{ key }];
    const notes = row["exectype"] === "MARK_RAN" ? [MARKED] : [];
    return [{ key: found.key, checksum: comparable(row["md5sum"], found.checksum), notes }];
  });
}

const MARKED = "Recorded as applied, though Liquibase never ran them, as their preconditions did not hold";

function rowKey(row: Row): string {
  return keyOf({ file: row["filename"] ?? "", id: row["id"] ?? "", author: row["author"] ?? "" });
}

/** The changeSet of a row. The paths of both may begin in different folders: the least difference counts. */
function find(key: string, migrations: readonly ForeignMigration[]): ForeignMigration | undefined {
  const distance = (one: ForeignMigration) => Math.abs(one.key.length - key.length);
  const [nearest] = migrations
    .filter((one) => one.key === key || one.key.endsWith(`/${key}`) || key.endsWith(`/${one.key}`))
    .sort((a, b) => distance(a) - distance(b));
  return nearest;
}

function hasContext({ contexts }: Row): boolean {
  return contexts != null && contexts !== "" && contexts !== "()";
}

/** Versions of Liquibase compute checksums differently: the number in front says how. */
function comparable(recorded: string | null | undefined, current: string | undefined): string | null {
  const version = (checksum: string) => checksum.split(":", 1)[0];
  if (recorded == null || current === undefined || version(recorded) !== version(current)) return null;
  return recorded;
}

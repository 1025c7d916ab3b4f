import { crc32 } from "node:zlib";
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
 * `V1.2__add_users.sql` and its undo file `U1.2__add_users.sql` become one migration. A repeatable migration
 * (`R__view.sql`) becomes one migration after all of them: later changes to it are new migrations.
 */
export const flyway: Tool = {
  title: "Flyway",
  folder: "src/main/resources/db/migration",
  table: {
    name: "flyway_schema_history",
    columns: ["installed_rank", "version", "description", "type", "script", "checksum", "success"],
  },
  callback: /(?:^|\/)(?:before|after|create)[A-Z]\w*\.sql$/,
  readFolder,
  readTable,
};

type Kind = "V" | "U" | "R" | "B";

interface FlywayFile {
  readonly file: string;
  readonly kind: Kind;
  readonly version: string;
  readonly description: string;
  readonly isSql: boolean;
}

const FILE = /^([VURB])([\d._]*)__(.+)\.(sql|java|kt|class)$/;

async function readFolder(folder: SourceFolder): Promise<ForeignMigration[]> {
  const files = folder.files.flatMap(parseName);
  const undo = new Map(files.filter(({ kind }) => kind === "U").map((file) => [file.version, file]));
  const versioned = files
    .filter(({ kind }) => kind === "V" || kind === "B")
    .filter((file) => file.kind === "V" || isNeeded(file, files))
    .sort((a, b) => compareVersions(a.version, b.version));
  const repeatable = files.filter(({ kind }) => kind === "R");
  return [
    ...(await Promise.all(versioned.map((file) => versionedMigration(folder, file, undo.get(file.version))))),
    ...(await Promise.all(
      repeatable.map((file, index) => repeatableMigration(folder, file, versioned, index)),
    )),
  ];
}

function parseName(file: string): FlywayFile[] {
  const [, kind = "", version = "", description = "", extension] =
    FILE.exec(file.slice(file.lastIndexOf("/") + 1)) ?? [];
  if (kind !== "V" && kind !== "U" && kind !== "R" && kind !== "B") return [];
  if ((kind === "R") !== (version === "")) return [];
  return [{ file, kind, version: normalVersion(version), description, isSql: extension === "sql" }];
}

/** A baseline migration stands for versions whose files are gone; if one is there, all are taken to be. */
function isNeeded({ version }: FlywayFile, files: readonly FlywayFile[]): boolean {
  return !files.some((file) => file.kind === "V" && compareVersions(file.version, version) <= 0);
}

/** To Flyway `1`, `01` and `1.0` are the same version, and an underscore is a dot. */
function normalVersion(version: string): string {
  const parts = version.split(/[._]/).map((part) => part.replace(/^0+(?=\d)/, ""));
  return parts.join(".").replace(/(?:\.0)+$/, "");
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split("."), b.split(".")];
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const [x, y] = [BigInt(left[i] ?? 0), BigInt(right[i] ?? 0)];
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

async function versionedMigration(
  folder: SourceFolder,
  file: FlywayFile,
  undo: FlywayFile | undefined,
): Promise<ForeignMigration> {
  const title = `${file.version}_${file.description}`;
  return { key: file.version, file: file.file, title, ...(await content(folder, file, undo)) };
}

async function repeatableMigration(
  folder: SourceFolder,
  file: FlywayFile,
  versioned: readonly FlywayFile[],
  index: number,
): Promise<ForeignMigration> {
  const newest = BigInt(versioned.at(-1)?.version.split(".")[0] ?? 0);
  const title = `${newest + 1n + BigInt(index)}_R_${file.description}`;
  return { key: repeatableKey(file.description), file: file.file, title, ...(await content(folder, file)) };
}

async function content(
  folder: SourceFolder,
  up: FlywayFile,
  down?: FlywayFile,
): Promise<{ readonly content: SqlContent | Unconvertible; readonly checksum?: string }> {
  const other = [up, down].find((file) => file !== undefined && !file.isSql);
  if (other !== undefined) return { content: unconvertible(`${other.file} is code of the Java platform`) };
  const [upSql, downSql] = [await folder.text(up.file), down && (await folder.text(down.file))];
  const checksum = checksumOf(upSql);
  const placeholder = /\$\{[^}\s]+\}/.exec(`${upSql}${downSql ?? ""}`)?.[0];
  if (placeholder !== undefined)
    return {
      content: unconvertible(`it has the placeholder ${placeholder}, which Flyway replaces`),
      checksum,
    };
  const upSection = section(upSql, await isTransactional(folder, up));
  if (down === undefined || downSql === undefined) return { content: sqlContent(upSection), checksum };
  return {
    content: sqlContent(upSection, section(downSql, await isTransactional(folder, down))),
    checksum,
  };
}

/** `V1__x.sql.conf` beside a file configures it. */
async function isTransactional(folder: SourceFolder, { file }: FlywayFile): Promise<boolean> {
  const config = `${file}.conf`;
  if (!folder.files.includes(config)) return true;
  return !/^\s*executeInTransaction\s*=\s*false\s*$/m.test(await folder.text(config));
}

/** CRC-32 over the lines without their ends, as a signed number. */
function checksumOf(text: string): string {
  const lines = text.endsWith("\n") ? text.slice(0, -1) : text;
  return String(crc32(lines.replaceAll("\n", "")) | 0);
}

function repeatableKey(description: string): string {
  return `R ${description.replaceAll("_", " ")}`;
}

const HINT = "Run Flyway's own repair or migrate first, until its info shows no failed migration.";

function readTable(
  rows: readonly Row[],
  migrations: readonly ForeignMigration[],
): readonly AppliedMigration[] {
  refuseFailed(
    "Flyway",
    rows
      .filter((row) => row["success"] !== "true")
      .map(({ script, version }) => script ?? version ?? "a row"),
    HINT,
  );
  const applied = new Map<string, AppliedMigration>();
  for (const { version, type, description, checksum = null } of rows) {
    if (type === "SCHEMA") continue;
    const key = version == null ? repeatableKey(description ?? "") : normalVersion(version);
    if (type === "BASELINE" || type === "SQL_BASELINE")
      for (const below of upTo(key, migrations)) applied.set(below.key, { key: below.key });
    else if (type?.startsWith("UNDO") || type === "DELETE") applied.delete(key);
    else applied.set(key, { key, checksum });
  }
  return withoutStaleRepeatables(applied, migrations);
}

function upTo(version: string, migrations: readonly ForeignMigration[]): readonly ForeignMigration[] {
  return migrations.filter(({ key }) => !key.startsWith("R ") && compareVersions(key, version) <= 0);
}

/**
 * Flyway runs a repeatable migration again after its file has changed, and after all versions. So one that has changed,
 * or that would come after a pending version, stays pending: it is written to be run again.
 */
function withoutStaleRepeatables(
  applied: ReadonlyMap<string, AppliedMigration>,
  migrations: readonly ForeignMigration[],
): readonly AppliedMigration[] {
  const isPending = migrations.some(({ key }) => !key.startsWith("R ") && !applied.has(key));
  const checksums = new Map(migrations.map(({ key, checksum }) => [key, checksum]));
  return [...applied.values()].filter(({ key, checksum }) => {
    if (!key.startsWith("R ")) return true;
    return !isPending && (!checksums.has(key) || checksums.get(key) === checksum);
  });
}

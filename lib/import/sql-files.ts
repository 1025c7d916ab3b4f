import type { SourceFolder } from "./source-folder.ts";
import { joinStatements, section } from "./sql-text.ts";
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

// dbmate, golang-migrate and goose: SQL files that begin with a number.

/** One file with `-- migrate:up` and `-- migrate:down`. */
export const dbmate: Tool = {
  title: "dbmate",
  folder: "db/migrations",
  table: {
    name: "schema_migrations",
    columns: ["version"],
    foreignColumns: { dirty: "golang-migrate" },
  },
  readFolder: (folder) =>
    Promise.all(
      folder.topFiles
        .filter((file) => /^\d+.*\.sql$/.test(file))
        .map(async (file) => ({
          key: leadingDigits(file),
          file,
          title: file.slice(0, -".sql".length),
          content: readDbmate(await folder.text(file)),
        })),
    ),
  readTable: (rows) => rows.map(({ version }) => ({ key: version ?? "" })),
};

function readDbmate(text: string): SqlContent | Unconvertible {
  const up = /^--\s*migrate:up\b(.*)$/m.exec(text);
  if (up === null) return unconvertible("it has no line -- migrate:up");
  const down = /^--\s*migrate:down\b(.*)$/m.exec(text);
  if (down !== null && down.index < up.index) return unconvertible("its down section comes first");
  const start = up.index + up[0].length;
  const upSection = section(text.slice(start, down?.index), isTransactional(up[1]));
  if (down === null) return sqlContent(upSection);
  return sqlContent(upSection, section(text.slice(down.index + down[0].length), isTransactional(down[1])));
}

function isTransactional(options = ""): boolean {
  return !/\btransaction:false\b/.test(options);
}

/** `1_add_users.up.sql` and `1_add_users.down.sql`. Its table has one row: the newest version. */
export const golangMigrate: Tool = {
  title: "golang-migrate",
  folder: "db/migrations",
  table: { name: "schema_migrations", columns: ["version", "dirty"] },
  readFolder: readPairs,
  readTable: readVersion,
};

async function readPairs(folder: SourceFolder): Promise<ForeignMigration[]> {
  const files = folder.topFiles.flatMap((file) => {
    const [, title, version, direction] = /^((\d+)_.*)\.(up|down)\.sql$/.exec(file) ?? [];
    return title === undefined || version === undefined ? [] : [{ file, title, version, direction }];
  });
  const versions = [...new Set(files.map(({ version }) => BigInt(version)))].sort((a, b) => (a < b ? -1 : 1));
  return Promise.all(
    versions.map(async (version) => {
      const own = files.filter((file) => BigInt(file.version) === version);
      const up = own.find(({ direction }) => direction === "up");
      const down = own.find(({ direction }) => direction === "down");
      const { file, title } = up ?? own[0] ?? { file: String(version), title: String(version) };
      const content =
        up === undefined
          ? unconvertible("it has no .up.sql file")
          : sqlContent(section(await folder.text(up.file)), down && section(await folder.text(down.file)));
      return { key: String(version), file, title, content };
    }),
  );
}

function readVersion(
  rows: readonly Row[],
  migrations: readonly ForeignMigration[],
): readonly AppliedMigration[] {
  refuseFailed(
    "golang-migrate",
    rows.filter(({ dirty }) => dirty !== "false").map(({ version }) => `version ${version}`),
    "Finish or undo by hand what that version did, set it with golang-migrate's own force, and import again.",
  );
  const newest = rows[0]?.["version"];
  // It writes -1 after everything was undone.
  if (newest == null || newest === "-1") return [];
  const applied = migrations.filter(({ key }) => BigInt(key) <= BigInt(newest)).map(({ key }) => ({ key }));
  return applied.some(({ key }) => key === newest) ? applied : [...applied, { key: newest }];
}

/** One file with `-- +goose Up` and `-- +goose Down`. */
export const goose: Tool = {
  title: "goose",
  folder: "migrations",
  table: { name: "goose_db_version", columns: ["id", "version_id", "is_applied"] },
  readFolder: async (folder) => {
    const files = folder.topFiles.filter(
      (file) => /^\d+_.*\.(?:sql|go)$/.test(file) && !file.endsWith("_test.go"),
    );
    const migrations = await Promise.all(
      files.map(async (file) => ({
        key: String(BigInt(leadingDigits(file))),
        file,
        title: file.replace(/\.\w+$/, ""),
        content: file.endsWith(".go") ? unconvertible("it is Go code") : readGoose(await folder.text(file)),
      })),
    );
    return migrations.sort((a, b) => (BigInt(a.key) < BigInt(b.key) ? -1 : 1));
  },
  // Undoing adds a row in old versions and deletes one in new ones. Version 0 is the table itself.
  readTable: (rows) => {
    const newest = new Map(rows.map((row) => [row["version_id"] ?? "", row["is_applied"] === "true"]));
    return [...newest].filter(([key, isApplied]) => isApplied && key !== "0").map(([key]) => ({ key }));
  },
};

function readGoose(text: string): SqlContent | Unconvertible {
  const sections = { up: [""], down: [""], before: [""] };
  let current: "up" | "down" | "before" = "before";
  let transactional = true;
  for (const line of text.split("\n")) {
    const [, annotation] = /^\s*--\s*\+goose\s+(.+?)\s*$/i.exec(line) ?? [];
    const word = annotation?.toLowerCase();
    if (annotation === undefined) sections[current].push(line);
    else if (word === "up" || word === "down") current = word;
    else if (word === "no transaction") transactional = false;
    else if (word === "statementend") endStatement(sections[current]);
    else if (word !== "statementbegin") return unconvertible(`goose reads "+goose ${annotation}" in it`);
  }
  if (sections.before.some((line) => line.trim() !== "" && !line.trimStart().startsWith("--")))
    return unconvertible("it has SQL before the line -- +goose Up");
  const [up, down] = [sections.up.join("\n"), sections.down.join("\n")];
  return sqlContent(section(up, transactional), section(down, transactional));
}

/** What stands between StatementBegin and StatementEnd needs no semicolon. */
function endStatement(lines: string[]): void {
  const text = joinStatements([lines.join("\n")]);
  lines.splice(0, lines.length, text);
}

function leadingDigits(file: string): string {
  return /^\d+/.exec(file)?.[0] ?? "0";
}

import { createHash } from "node:crypto";
import * as v from "valibot";
import { MigrationError } from "../core/index.ts";
import type { SourceFolder } from "./source-folder.ts";
import { joinStatements, section } from "./sql-text.ts";
import {
  type AppliedMigration,
  type ForeignMigration,
  type Row,
  refuseFailed,
  sqlContent,
  type Tool,
  unconvertible,
} from "./tool.ts";

// Prisma and Drizzle: SQL that is made from the schema of an ORM. Neither can undo it.

/** `20240101000000_init/migration.sql`. */
export const prisma: Tool = {
  title: "Prisma",
  folder: "prisma/migrations",
  table: {
    name: "_prisma_migrations",
    columns: ["started_at", "migration_name", "checksum", "finished_at", "rolled_back_at"],
  },
  readFolder: (folder) =>
    Promise.all(
      folder.files
        .filter((file) => /^[^/]+\/migration\.sql$/.test(file))
        .map(async (file) => {
          const name = file.slice(0, file.indexOf("/"));
          const content = sqlContent(section(await folder.text(file)));
          return { key: name, file, title: name, content, checksum: sha256(await folder.bytes(file)) };
        }),
    ),
  readTable: readAttempts,
};

/** A row is an attempt: one that was rolled back stays, and the next one gets a row of its own. */
function readAttempts(rows: readonly Row[]): readonly AppliedMigration[] {
  const attempts = rows.filter((row) => row["rolled_back_at"] == null);
  const failed = attempts.filter((row) => row["finished_at"] == null);
  refuseFailed(
    "Prisma",
    failed.map((row) => row["migration_name"] ?? ""),
    "Finish or undo by hand what it did, say so with prisma migrate resolve --applied or --rolled-back, and import again.",
  );
  return attempts.map(({ migration_name: name, checksum = null }) => ({ key: name ?? "", checksum }));
}

/**
 * Before 1.0 a journal lists the files; since then, each migration has a folder whose name begins with its time. A row
 * names the time, and the hash of the file.
 */
export const drizzle: Tool = {
  title: "Drizzle",
  folder: "drizzle",
  table: { name: "__drizzle_migrations", schema: "drizzle", columns: ["id", "hash", "created_at"] },
  readFolder: (folder) => (folder.files.includes(JOURNAL) ? readJournal(folder) : readFolders(folder)),
  readTable: (rows, migrations) =>
    rows.map(({ hash = null, created_at: time = null }) => {
      const [first, second] = migrations.filter(({ key }) => timeOf(key) === time);
      const sameHash = migrations.find(({ checksum }) => checksum === hash);
      const found = first === undefined || second !== undefined ? sameHash : first;
      return { key: found?.key ?? `hash ${hash}`, checksum: hash };
    }),
};

/** The time in the name of a folder, as a row has it: in milliseconds. The key of an entry of the journal is that already. */
function timeOf(key: string): string {
  const [, year, month, day, hour, minute, second] = FOLDER_NAME.exec(key) ?? [];
  if (second === undefined) return key;
  return String(
    Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)),
  );
}

const FOLDER_NAME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/;

async function readFolders(folder: SourceFolder): Promise<ForeignMigration[]> {
  const names = folder.files.flatMap((file) => /^(\d{14}[^/]*)\/migration\.sql$/.exec(file)?.[1] ?? []);
  if (names.length === 0)
    throw unreadable(folder, "it has neither a journal nor a folder for each migration");
  return Promise.all(
    names.map((name) => readFile(folder, { key: name, file: `${name}/migration.sql`, title: name })),
  );
}

async function readFile(
  folder: SourceFolder,
  migration: Pick<ForeignMigration, "key" | "file" | "title">,
): Promise<ForeignMigration> {
  const statements = (await folder.text(migration.file)).split("--> statement-breakpoint");
  const content = sqlContent(section(joinStatements(statements)));
  return { ...migration, content, checksum: sha256(await folder.bytes(migration.file)) };
}

const JOURNAL = "meta/_journal.json";
const Journal = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ entries: v.array(v.object({ when: v.number(), tag: v.string() })) }),
);

async function readJournal(folder: SourceFolder): Promise<ForeignMigration[]> {
  const journal = v.safeParse(Journal, await folder.text(JOURNAL));
  if (!journal.success) throw unreadable(folder, `its ${JOURNAL} is none: ${journal.issues[0].message}`);
  return Promise.all(
    journal.output.entries.map(async ({ when, tag }) => {
      const [key, file] = [String(when), `${tag}.sql`];
      if (!folder.files.includes(file))
        return { key, file, title: tag, content: unconvertible(`${JOURNAL} names it, and it is not there`) };
      return readFile(folder, { key, file, title: tag });
    }),
  );
}

function unreadable({ dir }: SourceFolder, why: string): MigrationError {
  return new MigrationError("USAGE", `${dir} is no folder of Drizzle: ${why}`, {
    hint: "Name the folder that drizzle-kit writes to (out in its configuration) with --source.",
  });
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

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

/** The journal lists the files. A row names the time of its entry, and the hash of the file. */
export const drizzle: Tool = {
  title: "Drizzle",
  folder: "drizzle",
  table: { name: "__drizzle_migrations", schema: "drizzle", columns: ["id", "hash", "created_at"] },
  readFolder: readJournal,
  readTable: (rows, migrations) =>
    rows.map(({ hash = null, created_at: time }) => {
      const same =
        migrations.find(({ key }) => key === time) ?? migrations.find(({ checksum }) => checksum === hash);
      return { key: same?.key ?? `hash ${hash}`, checksum: hash };
    }),
};

const JOURNAL = "meta/_journal.json";
const Journal = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ entries: v.array(v.object({ when: v.number(), tag: v.string() })) }),
);

async function readJournal(folder: SourceFolder): Promise<ForeignMigration[]> {
  if (!folder.files.includes(JOURNAL)) throw noJournal(folder);
  const journal = v.safeParse(Journal, await folder.text(JOURNAL));
  if (!journal.success) throw noJournal(folder, journal.issues[0].message);
  return Promise.all(
    journal.output.entries.map(async ({ when, tag }) => {
      const [key, file] = [String(when), `${tag}.sql`];
      if (!folder.files.includes(file))
        return { key, file, title: tag, content: unconvertible(`${JOURNAL} names it, and it is not there`) };
      const statements = (await folder.text(file)).split("--> statement-breakpoint");
      const content = sqlContent(section(joinStatements(statements)));
      return { key, file, title: tag, content, checksum: sha256(await folder.bytes(file)) };
    }),
  );
}

function noJournal({ dir }: SourceFolder, why = "there is none"): MigrationError {
  return new MigrationError("USAGE", `${dir} has no ${JOURNAL} of Drizzle that can be read: ${why}`, {
    hint: "Name the folder that drizzle-kit writes to (out in its configuration) with --source. The layout of Drizzle 1.0, a folder for each migration, is not known.",
  });
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

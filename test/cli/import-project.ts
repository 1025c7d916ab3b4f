import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { environmentOf, runCommand } from "./command.ts";
import type { Run } from "./import-history.ts";

export type Files = Readonly<Record<string, string>>;

/** A project with another tool's files, and a database that the SQL prepares. */
export function withProject(
  { files, sql = "" }: { readonly files: Files; readonly sql?: string },
  test: (run: Run, project: string, db: TestDatabase) => Promise<void>,
): Promise<void> {
  return withDatabase(async (db) => {
    const project = writeFolder(files);
    if (sql !== "") await db.query(sql);
    await test((...args) => runCommand(project, args, environmentOf(db.connection)), project, db);
  });
}

export function migrationsOf(project: string): Record<string, string> {
  const dir = join(project, "migrations");
  return Object.fromEntries(readdirSync(dir).map((file) => [file, readFileSync(join(dir, file), "utf8")]));
}

export const FLYWAY_TABLE = `CREATE TABLE flyway_schema_history (
  installed_rank integer NOT NULL CONSTRAINT flyway_schema_history_pk PRIMARY KEY, version varchar(50),
  description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer,
  installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(), execution_time integer NOT NULL,
  success boolean NOT NULL);`;

export const flywayRow = (
  rank: number,
  version: string | null,
  description: string,
  more: { type?: string; success?: boolean } = {},
) =>
  `INSERT INTO flyway_schema_history VALUES (${rank}, ${version === null ? "NULL" : `'${version}'`}, '${description}',
   '${more.type ?? "SQL"}', 'V${version}__x.sql', NULL, 'me', now(), 1, ${more.success ?? true});`;

export const CREATE_A = "CREATE TABLE a (id int);";
export const CREATE_B = "CREATE TABLE b (id int);";

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dumpSchema } from "../../lib/review/dump/index.ts";
import type { TestDatabase } from "../support/database.ts";

/** What other tools have made, by tool: its project, and its database with all but the last migration, and with all. */
export const HISTORIES = fileURLToPath(new URL("histories", import.meta.url));

/** The SQL that makes a recorded database again. */
export function recordedDatabase(history: string, name = "database"): string {
  return readFileSync(join(HISTORIES, history, `${name}.sql`), "utf8");
}

/** What is different each time a tool runs. */
const VOLATILE =
  /"(installed_on|tstamp|dateexecuted|deployment_id|created_at|updated_at|lockgranted|migration_time|started_at|finished_at)":"[^"]*"|"(execution_time)":\d+/g;
const FIXED: Readonly<Record<string, string>> = { execution_time: "1", deployment_id: '"1"' };

/**
 * What a tool has made of a database, as SQL that makes it again: the schema, and the rows of the tool's own tables.
 * @param made tool, version and command, for the first line
 */
export async function recordDatabase(
  db: TestDatabase,
  made: string,
  tables: readonly string[],
): Promise<string> {
  const { sql } = await dumpSchema(await db.client(), {});
  const rows = await Promise.all(tables.map((table) => rowsOf(db, table)));
  // The dump sets a search path, and its first line says that it was written by dump.
  return [`-- ${made}`, sql.slice(sql.indexOf("\n")).trim(), ...rows, "RESET ALL;\n"].join("\n\n");
}

async function rowsOf(db: TestDatabase, table: string): Promise<string> {
  const rows = await db.query<{ row: string }>(
    `SELECT row_to_json(t)::text AS row FROM ${table} t ORDER BY t`,
  );
  const fixed = rows.map(({ row }) =>
    row.replaceAll(VOLATILE, (_, text: string | undefined, number: string) => {
      const name = text ?? number;
      return `"${name}":${FIXED[name] ?? '"2026-01-01T00:00:00"'}`;
    }),
  );
  return `INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $rows$[\n${fixed.join(",\n")}\n]$rows$);`;
}

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";

const WAIT_MS = 10_000;

/** A position in the server's log from which a test reads. */
export interface LogPosition {
  readonly file: string;
  readonly offset: number;
}

interface Entry extends pg.QueryResultRow {
  readonly message: string;
}

export async function endOfLog(admin: pg.Client): Promise<LogPosition> {
  const { rows } = await admin.query<{ file: string; size: string }>(
    "SELECT file, (pg_stat_file(file)).size FROM pg_current_logfile('jsonlog') AS file",
  );
  const [row] = rows;
  if (row === undefined) throw new Error("the server keeps no JSON log: it was started with other settings");
  return { file: row.file, offset: Number(row.size) };
}

/**
 * The statements that sessions of `database` sent since `from`, those of `except` (an application name) left
 * out. The log is written by another process: a mark is sent after them and waited for.
 */
export async function statementsSince(
  admin: pg.Client,
  from: LogPosition,
  database: string,
  except: string,
): Promise<string[]> {
  const mark = `end of log ${randomUUID()}`;
  await admin.query(`DO $$ BEGIN RAISE LOG '${mark}'; END $$`);
  const deadline = Date.now() + WAIT_MS;
  while (!(await contains(admin, from, mark))) {
    if (Date.now() > deadline) throw new Error("the server's log did not show up");
    await sleep(10);
  }
  const { rows } = await admin.query<Entry>(
    `SELECT entry ->> 'message' AS message
       FROM (${lines()}) AS log (line, n), LATERAL (SELECT line::json) AS parsed (entry)
      WHERE entry ->> 'dbname' = $3
        AND entry ->> 'application_name' IS DISTINCT FROM $4
        AND entry ->> 'message' ~ '^(statement|execute [^:]+): '
      ORDER BY n`,
    [from.file, from.offset, database, except],
  );
  return rows.map(({ message }) => message.replace(/^(statement|execute [^:]+): /, ""));
}

/** The texts that the engine sends in one message, one by one, without the title of the message. */
export function apart(statements: readonly string[]): string[] {
  return statements.flatMap((text) => text.replace(/^\/\* .*? \*\/\n/s, "").split(/(?:\n;)+\n/));
}

async function contains(admin: pg.Client, from: LogPosition, mark: string): Promise<boolean> {
  // The JSON key keeps the statement that asked for the mark from being taken for it.
  const { rowCount } = await admin.query(`SELECT FROM (${lines()}) AS log (line, n) WHERE line LIKE $3`, [
    from.file,
    from.offset,
    `%"message":"${mark}"%`,
  ]);
  return rowCount !== 0;
}

/** Complete lines only: the last may be half-written. */
function lines(): string {
  return `SELECT line, n
            FROM pg_read_binary_file($1, $2, (pg_stat_file($1)).size - $2) AS bytes,
                 LATERAL (SELECT convert_from(bytes, 'UTF8')) AS read (text),
                 LATERAL regexp_split_to_table(regexp_replace(text, '[^\\n]*$', ''), '\\n')
                   WITH ORDINALITY AS split (line, n)
           WHERE line <> ''`;
}

import pg from "pg";
import type { Session } from "../connection/session.ts";
import { splitStatements } from "../sql/split.ts";
import { type Identity, readSame } from "./guard.ts";
import type { Tables } from "./tables.ts";

/** What was recorded of the SQL of a migration when it began outside a transaction. */
export interface StoppedSql {
  readonly sqlDigest: string | null;
  readonly digestVersion: number | null;
  /** Its statements, passwords masked; null when they depended on the database. */
  readonly statements: readonly string[] | null;
}

/** Of a migration that stopped half-way: the SQL that it was running. */
export async function readStoppedSql(
  session: Session,
  tables: Tables,
  identity: Identity,
  migration: string,
): Promise<StoppedSql | undefined> {
  const [row] = await readSame<Omit<StoppedSql, "statements"> & { steps: string[] | null }>(
    session,
    tables,
    identity,
    `SELECT sql_digest AS "sqlDigest", digest_version AS "digestVersion", up_sql AS steps
     FROM ONLY ${tables.history} WHERE migration = ${pg.escapeLiteral(migration)} ORDER BY id DESC LIMIT 1`,
  );
  if (row === undefined) return undefined;
  const { steps, ...digest } = row;
  return { ...digest, statements: steps === null ? null : statementsOf(steps) };
}

export function statementsOf(steps: readonly string[]): string[] {
  return steps.flatMap((step) => splitStatements(step).map(({ text }) => text));
}

import pg from "pg";
import type { Session } from "../../postgres/index.ts";
import { splitStatements } from "../../sql/index.ts";
import { type Identity, readSame, textArray } from "./guard.ts";
import { ABOUT_M, selectWithOrigin } from "./read.ts";
import type { Existing, Tables } from "./tables.ts";

/** The recorded SQL to undo one migration. */
export interface StoredDown {
  readonly steps: readonly string[];
  /** False when a later `repair` has accepted another file: this SQL undoes what was applied, and the file may differ. */
  readonly current: boolean;
}

/** Reads the recorded SQL to undo these migrations. Migrations without such SQL are left out. */
export async function readDownSql(
  session: Session,
  tables: Tables,
  existing: Existing,
  names: readonly string[],
): Promise<ReadonlyMap<string, StoredDown>> {
  if (!existing.applied || !existing.history) return new Map();
  const rows = (columns: string, condition: string) =>
    `(SELECT ${columns} FROM ONLY ${tables.history}
      WHERE ${ABOUT_M}${condition} ORDER BY id DESC LIMIT 1)`;
  const found = await readSame<{ name: string } & StoredDown>(
    session,
    tables,
    existing.identity,
    `SELECT m.name, h.down_sql AS steps, h.id = newest.id AS current FROM ${selectWithOrigin(tables)} AS m
     CROSS JOIN LATERAL ${rows("id", "")} AS newest
     CROSS JOIN LATERAL ${rows("id, down_sql", " AND down_sql IS NOT NULL")} AS h
     WHERE m.name = ANY (${textArray(names)}) ORDER BY m.id`,
  );
  return new Map(found.map(({ name, ...stored }) => [name, stored]));
}

/** Reads the SQL, secrets masked, that these migrations sent when they were applied. Unknown SQL is left out. */
export async function readUpSql(
  session: Session,
  tables: Tables,
  existing: Existing,
  names: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (!existing.applied || !existing.history) return new Map();
  const rows = await readSame<{ name: string; steps: string[] }>(
    session,
    tables,
    existing.identity,
    `SELECT m.name, h.up_sql AS steps FROM ${selectWithOrigin(tables)} AS m
     CROSS JOIN LATERAL (
       SELECT up_sql FROM ONLY ${tables.history}
       WHERE ${ABOUT_M}
       ORDER BY id DESC LIMIT 1
     ) AS h WHERE m.name = ANY (${textArray(names)}) AND h.up_sql IS NOT NULL ORDER BY m.id`,
  );
  return new Map(rows.map(({ name, steps }) => [name, steps]));
}

/** The SQL of a migration as recorded when it began outside a transaction. */
export interface StoppedSql {
  readonly sqlDigest: string | null;
  readonly digestVersion: number | null;
  /** Its statements, passwords masked; null when they depended on the database. */
  readonly statements: readonly string[] | null;
}

/** Reads the recorded SQL of a partial migration. */
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

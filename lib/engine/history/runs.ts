import pg from "pg";
import type { HistoryFilter, HistoryRow } from "../../core/index.ts";
import type { Session } from "../../postgres/index.ts";
import type { AppliedBy } from "../selection.ts";
import { readSame, textArray } from "./guard.ts";
import { ABOUT_M, selectWithOrigin } from "./read.ts";
import type { Existing, Tables } from "./tables.ts";

/** Reads the applied migrations in the order of application, with the run and the release that applied each. */
export function readOrigins(session: Session, tables: Tables, existing: Existing): Promise<AppliedBy[]> {
  return readSame<AppliedBy>(
    session,
    tables,
    existing.identity,
    `SELECT m.name, CASE WHEN h.run IS NOT NULL THEN pg_catalog.concat(h.run) END AS run, h.bundle AS release FROM ${selectWithOrigin(tables)} AS m LEFT JOIN LATERAL (
       SELECT run, bundle FROM ONLY ${tables.history}
       WHERE ${ABOUT_M} AND action IN ('up', 'fake')
       ORDER BY id DESC LIMIT 1
     ) AS h ON true ORDER BY m.id`,
  );
}

/** The releases that applied migrations, as far as the history says. */
export interface Releases {
  /** Whether a function of a stack has ever written to the history. */
  readonly deployed: boolean;
  /** By the names of applied migrations. */
  readonly byName: ReadonlyMap<string, AppliedInRelease>;
}

/** Both are null where no release is recorded. */
export interface AppliedInRelease {
  /** Hash of its manifest. */
  readonly release: string | null;
  readonly revision: string | null;
}

/** Reads which releases applied the named migrations. */
export async function readReleases(
  session: Session,
  tables: Tables,
  existing: Existing,
  names: readonly string[],
): Promise<Releases> {
  if (!existing.history) return { deployed: false, byName: new Map() };
  const [row] = await readSame<{ deployed: boolean; applied: (AppliedInRelease & { name: string })[] }>(
    session,
    tables,
    existing.identity,
    `SELECT EXISTS (SELECT FROM ONLY ${tables.history} WHERE origin IN ('deploy', 'command')) AS deployed,
            (SELECT COALESCE(pg_catalog.json_agg(found), '[]') FROM (
               SELECT m.name, h.bundle AS release, h.revision FROM ${selectWithOrigin(tables)} AS m LEFT JOIN LATERAL (
                 SELECT bundle, revision FROM ONLY ${tables.history}
                 WHERE ${ABOUT_M} AND action IN ('up', 'fake') ORDER BY id DESC LIMIT 1
               ) AS h ON true WHERE m.name = ANY (${textArray(names)}) ORDER BY m.id) AS found) AS applied`,
  );
  return {
    deployed: row?.deployed ?? false,
    byName: new Map(row?.applied.map(({ name, ...release }) => [name, release])),
  };
}

/** What the history notes of a migration that was applied with an approved plan. */
export function approvalNote(digest: string): string {
  return `approved plan sha256:${digest}`;
}

/** Reads the names of the applied migrations that the approved plan of this digest has applied. */
export async function readDoneOfPlan(
  session: Session,
  tables: Tables,
  existing: Existing,
  digest: string,
): Promise<readonly string[]> {
  if (!existing.applied || !existing.history) return [];
  const rows = await readSame<{ name: string }>(
    session,
    tables,
    existing.identity,
    `SELECT m.name FROM ${selectWithOrigin(tables)} AS m CROSS JOIN LATERAL (
       SELECT note FROM ONLY ${tables.history} WHERE ${ABOUT_M} AND action IN ('up', 'fake') ORDER BY id DESC LIMIT 1
     ) AS h WHERE pg_catalog.strpos(h.note, ${pg.escapeLiteral(approvalNote(digest))}) > 0 ORDER BY m.id`,
  );
  return rows.map(({ name }) => name);
}

const USUAL_LIMIT = 50;

/** Reads rows of the history, newest first. */
export async function readHistory(
  session: Session,
  tables: Tables,
  existing: Existing,
  filter: HistoryFilter,
): Promise<HistoryRow[]> {
  if (!existing.history) return [];
  const conditions = Object.entries({
    migration: filter.migration,
    action: filter.action,
    state: filter.state,
  }).flatMap(([column, value]) => (value === undefined ? [] : [`h.${column} = ${pg.escapeLiteral(value)}`]));
  return readSame<HistoryRow>(
    session,
    tables,
    { ...existing.identity, applied: null },
    `SELECT pg_catalog.concat(id) AS id, pg_catalog.concat(run) AS run, migration, action, state, statement, no_transaction AS "noTransaction",
            error_code AS "errorCode", note, duration_ms::pg_catalog.float8 AS "durationMs", actor, origin, revision, bundle, tool,
            pg_catalog.to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
     FROM ONLY ${tables.history} AS h
     WHERE ${["true", ...conditions].join(" AND ")}
     ORDER BY h.id DESC LIMIT ${Math.trunc(filter.limit ?? USUAL_LIMIT)}`,
  );
}

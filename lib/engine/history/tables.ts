import pg from "pg";
import { Hint, MigrationError, type Observer, type ResolvedOptions } from "../../core/index.ts";
import { asOwnSql, type Session } from "../../postgres/index.ts";
import { type Identity, sameTables, type TableNames } from "./guard.ts";
import { revokeDefaults } from "./rights.ts";
import { requireOrdinary, type TableFacts, tableFacts } from "./trust.ts";

/** The engine's two tables, and the options that name them. */
export interface Tables extends TableNames {
  readonly options: ResolvedOptions;
}

/** Which of the engine's tables and schemas exist. */
export interface Existing {
  readonly applied: boolean;
  readonly history: boolean;
  /** Whether the history lacks a column of this version, and whether the user may add it. */
  readonly upgrade: "none" | "possible" | "forbidden";
  /** Names of configured schemas that do not exist. */
  readonly missingSchemas: readonly string[];
  /** Whether the configured schemas hold tables or views other than those of extensions and of the engine. */
  readonly occupied: boolean;
  /** Their oids. */
  readonly identity: Identity;
}

export function nameTables(options: ResolvedOptions): Tables {
  const schema = pg.escapeIdentifier(options.migrationsSchema);
  return {
    applied: `${schema}.${pg.escapeIdentifier(options.migrationsTable)}`,
    history: `${schema}.${pg.escapeIdentifier(`${options.migrationsTable}_history`)}`,
    options,
  };
}

/** The note with which a baseline is recorded whose SQL was not run. A `repair` keeps it, and may add to it. */
export const RECORDED_NOTE = { begins: "replaces ", ends: ", applied before" } as const;

/** Does work that reads the tables. If the server refuses it, the hint names the missing right. */
export function asReading<T>({ applied, history, options }: Tables, work: () => Promise<T>): Promise<T> {
  const schema = pg.escapeIdentifier(options.migrationsSchema);
  return asOwnSql(
    "the record of migrations cannot be read",
    work,
    `The user needs these rights: GRANT USAGE ON SCHEMA ${schema}; GRANT SELECT ON ${applied}, ${history}.`,
  );
}

/**
 * Finds and checks the engine's tables before anything reads them.
 * @throws MigrationError `UNTRUSTED_HISTORY` for one that is no ordinary table of a trusted owner
 */
export async function findTables(session: Session, tables: Tables): Promise<Existing> {
  const schemas = [...new Set([...tables.options.schema, tables.options.migrationsSchema])];
  const [row] = await session.rows<{
    applied: number | null;
    history: number | null;
    facts: TableFacts[] | null;
    upgrade: Existing["upgrade"] | null;
    missing: string[];
    occupied: boolean;
  }>(
    `SELECT pg_catalog.to_regclass($1)::pg_catalog.oid AS applied,
            pg_catalog.to_regclass($2)::pg_catalog.oid AS history,
            (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(facts)) FROM (${tableFacts(tables)}) AS facts) AS facts,
            (SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid
                                      AND a.attname = 'progress' AND NOT a.attisdropped) THEN 'none'
                         WHEN pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN 'possible' ELSE 'forbidden' END
             FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass($2)::pg_catalog.oid) AS upgrade,
            ARRAY(SELECT wanted FROM pg_catalog.unnest($3::pg_catalog.text[]) AS wanted
                  WHERE pg_catalog.to_regnamespace(pg_catalog.quote_ident(wanted)) IS NULL) AS missing,
            EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c
                    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
                      AND c.relnamespace = ANY (ARRAY(SELECT pg_catalog.to_regnamespace(pg_catalog.quote_ident(s))::pg_catalog.oid
                                                      FROM pg_catalog.unnest($3::pg_catalog.text[]) AS s))
                      AND c.oid IS DISTINCT FROM (SELECT pg_catalog.to_regclass($1)::pg_catalog.oid)
                      AND c.oid IS DISTINCT FROM (SELECT pg_catalog.to_regclass($2)::pg_catalog.oid)
                      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
                                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                        AND d.objid = c.oid AND d.deptype = 'e')) AS occupied`,
    [tables.applied, tables.history, schemas],
  );
  requireOrdinary(row?.facts ?? []);
  const identity = { applied: row?.applied ?? null, history: row?.history ?? null };
  return {
    applied: identity.applied !== null,
    history: identity.history !== null,
    identity,
    upgrade: row?.upgrade ?? "none",
    missingSchemas: row?.missing ?? [],
    occupied: row?.occupied ?? false,
  };
}

export const missingSchemaMessage = (schema: string): string => `schema "${schema}" does not exist`;
export const MISSING_SCHEMA_HINT = Hint.of`Create it, or pass ${Hint.option("createSchema")}.`;

/**
 * Creates missing tables and writes the first rows in one transaction. Call with the migration lock held.
 * @returns the oids of the tables
 * @throws MigrationError `SCHEMA_NOT_FOUND` when a schema is missing and `createSchema` is off
 */
export async function ensureTables(
  session: Session,
  tables: Tables,
  existing: Existing,
  firstRows: readonly string[],
): Promise<Identity> {
  const statements = existing.missingSchemas.map((schema) => {
    if (tables.options.createSchema) return `CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(schema)}`;
    throw new MigrationError("SCHEMA_NOT_FOUND", missingSchemaMessage(schema), { hint: MISSING_SCHEMA_HINT });
  });
  if (!existing.applied) statements.push(...createApplied(tables));
  if (!existing.history) statements.push(...createHistory(tables));
  statements.push(...firstRows);
  if (statements.length === 0) return existing.identity;
  const guard = sameTables(tables, existing.identity, "write");
  await runAgain(session, tables.options, ["BEGIN", ...guard, ...statements, "COMMIT"].join("; "));
  return (await findTables(session, tables)).identity;
}

/** A run of another table may make the same schema at the same moment. */
async function runAgain(session: Session, { lockRetries }: ResolvedOptions, text: string): Promise<void> {
  for (let left = lockRetries; ; left -= 1) {
    try {
      return await session.run(text);
    } catch (error) {
      if (left === 0 || !(error instanceof MigrationError) || error.code !== "LOCK_TIMEOUT") throw error;
      await session.rollback();
    }
  }
}

/** A backup reads the history for as long as it runs: the upgrade then waits for a later run. */
const UPGRADE_LOCK_TIMEOUT = "2s";

/**
 * Gives a history that an earlier version has made the column for builds in the background and for backfills. Earlier
 * versions still work with the table. Only such migrations need the column, so that other runs go on without it.
 */
export async function upgradeHistory(
  session: Session,
  tables: Tables,
  { identity, upgrade }: Existing,
  observe: Observer,
): Promise<void> {
  if (upgrade === "none") return;
  const statement = `ALTER TABLE ${tables.history} ADD COLUMN IF NOT EXISTS progress jsonb`;
  const message = `the history has the shape of an earlier version, without the column "progress". Let its owner run: ${statement};`;
  if (upgrade === "forbidden") return observe({ type: "warning", message });
  const guard = sameTables(tables, identity, "write");
  try {
    await session.run(
      ["BEGIN", `SET LOCAL lock_timeout = '${UPGRADE_LOCK_TIMEOUT}'`, ...guard, statement, "COMMIT"].join(
        "; ",
      ),
    );
  } catch (error) {
    await session.rollback();
    if (!(error instanceof MigrationError) || error.code !== "LOCK_TIMEOUT") throw error;
    observe({
      type: "warning",
      message: `${error.message}. The next run adds the column "progress" to the history.`,
    });
  }
}

/** Lists the users' tables in the configured schemas, qualified outside the first schema. */
export async function listTables(session: Session, { applied, history, options }: Tables): Promise<string[]> {
  const rows = await session.rows<{ name: string }>(
    `SELECT CASE WHEN n.nspname = $4 THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END || pg_catalog.quote_ident(c.relname) AS name
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND c.relnamespace = ANY (SELECT pg_catalog.to_regnamespace(pg_catalog.quote_ident(s)) FROM pg_catalog.unnest($1::pg_catalog.text[]) AS s)
       AND c.oid NOT IN ($2::pg_catalog.regclass, $3::pg_catalog.regclass)
     ORDER BY 1`,
    [options.schema, applied, history, options.schema[0]],
  );
  return rows.map((row) => row.name);
}

/** The table exactly as node-pg-migrate makes it. Default privileges may let other roles read it, but not write it. */
function createApplied({ applied }: Tables): string[] {
  return [
    `CREATE TABLE ${applied} (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)`,
    revokeDefaults(applied, "writing"),
  ];
}

/**
 * The shape changes only by `upgradeHistory`; `format` tells a later version what it reads. Recorded down SQL is executed with the rights of
 * the role that migrates, so no other role may write here: rights from default privileges are revoked.
 */
function createHistory(tables: Tables): string[] {
  const { history } = tables;
  return [
    `CREATE TABLE ${history} (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      format smallint NOT NULL DEFAULT 1,
      run uuid NOT NULL,
      migration text NOT NULL,
      applied_id integer,
      action text NOT NULL CHECK (action IN ('up', 'down', 'fake', 'baseline', 'repair', 'resolve')),
      state text NOT NULL CHECK (state IN ('started', 'finished', 'failed')),
      statement integer,
      source_digest text,
      sql_digest text,
      digest_version smallint,
      up_sql jsonb CHECK (pg_catalog.jsonb_typeof(up_sql) = 'array'),
      down_sql jsonb CHECK (pg_catalog.jsonb_typeof(down_sql) = 'array'),
      no_transaction boolean NOT NULL DEFAULT false,
      error_code text,
      note text,
      duration_ms bigint,
      actor text NOT NULL,
      origin text NOT NULL CHECK (origin IN ('cli', 'deploy', 'command')),
      revision text,
      bundle text,
      tool text NOT NULL,
      at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
      progress jsonb
    )`,
    `COMMENT ON TABLE ${history} IS 'What migrations did here, and the SQL to undo them. Written by cdk-pg-migrate only.'`,
    `CREATE INDEX ON ${history} (migration, id)`,
    `CREATE INDEX ON ${history} (applied_id, id) WHERE applied_id IS NOT NULL`,
    `CREATE INDEX ON ${history} (id) WHERE no_transaction AND state <> 'finished'`,
    revokeDefaults(history, "everything"),
  ];
}

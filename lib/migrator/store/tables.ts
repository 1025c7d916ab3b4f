import pg from "pg";
import type { Session } from "../connection/session.ts";
import { MigrationError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";

/** Quoted, schema-qualified names of the engine's two tables. */
export interface Tables {
  readonly applied: string;
  readonly history: string;
  readonly options: ResolvedOptions;
}

/** Which of the engine's objects exist. */
export interface Existing {
  readonly applied: boolean;
  readonly history: boolean;
  /** Names of configured schemas that do not exist. */
  readonly missingSchemas: readonly string[];
  /** Whether the configured schemas hold anything of the users' own; what extensions brought does not count. */
  readonly occupied: boolean;
  /** Whether the whole database holds nothing of anybody's; not looked at once migrations were applied. */
  readonly empty: boolean;
}

export function nameTables(options: ResolvedOptions): Tables {
  const schema = pg.escapeIdentifier(options.migrationsSchema);
  return {
    applied: `${schema}.${pg.escapeIdentifier(options.migrationsTable)}`,
    history: `${schema}.${pg.escapeIdentifier(`${options.migrationsTable}_history`)}`,
    options,
  };
}

export async function findTables(session: Session, tables: Tables): Promise<Existing> {
  const schemas = [...new Set([...tables.options.schema, tables.options.migrationsSchema])];
  const [row] = await session.rows<{
    applied: boolean;
    history: boolean;
    missing: string[];
    occupied: boolean;
    empty: boolean;
  }>(
    `SELECT pg_catalog.to_regclass($1) IS NOT NULL AS applied,
            pg_catalog.to_regclass($2) IS NOT NULL AS history,
            ARRAY(SELECT wanted FROM pg_catalog.unnest($3::text[]) AS wanted
                  WHERE pg_catalog.to_regnamespace(pg_catalog.quote_ident(wanted)) IS NULL) AS missing,
            EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c
                    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
                      AND c.relnamespace = ANY (SELECT pg_catalog.to_regnamespace(pg_catalog.quote_ident(s))
                                                FROM pg_catalog.unnest($3::text[]) AS s)
                      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
                                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                        AND d.objid = c.oid AND d.deptype = 'e')) AS occupied,
            pg_catalog.to_regclass($1) IS NULL AND pg_catalog.to_regclass($2) IS NULL
              AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c
                              JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                              WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^(pg_|information_schema$)')
              AS empty`,
    [tables.applied, tables.history, schemas],
  );
  return {
    applied: row?.applied ?? false,
    history: row?.history ?? false,
    missingSchemas: row?.missing ?? [],
    occupied: row?.occupied ?? false,
    empty: row?.empty ?? false,
  };
}

/**
 * Creates what is missing, and writes the first rows with it, in one transaction. Call with the migration lock held.
 * @throws MigrationError `USAGE` when a schema is missing and `createSchema` is off
 */
export async function ensureTables(
  session: Session,
  tables: Tables,
  existing: Existing,
  firstRows: readonly string[],
): Promise<void> {
  const statements = existing.missingSchemas.map((schema) => {
    if (tables.options.createSchema) return `CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(schema)}`;
    throw new MigrationError("USAGE", `schema "${schema}" does not exist`, {
      hint: "Create it, or pass --create-schema.",
    });
  });
  if (!existing.applied) statements.push(createApplied(tables));
  if (!existing.history) statements.push(...createHistory(tables));
  statements.push(...firstRows);
  if (statements.length > 0) await session.run(`BEGIN; ${statements.join("; ")}; COMMIT`);
}

/** The users' own tables in the configured schemas; outside the first schema with its name. */
export async function listTables(session: Session, { applied, history, options }: Tables): Promise<string[]> {
  const rows = await session.rows<{ name: string }>(
    `SELECT CASE WHEN n.nspname = $4 THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END || pg_catalog.quote_ident(c.relname) AS name
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND c.relnamespace = ANY (SELECT pg_catalog.to_regnamespace(pg_catalog.quote_ident(s)) FROM pg_catalog.unnest($1::text[]) AS s)
       AND c.oid NOT IN ($2::pg_catalog.regclass, $3::pg_catalog.regclass)
     ORDER BY 1`,
    [options.schema, applied, history, options.schema[0]],
  );
  return rows.map((row) => row.name);
}

/** The table exactly as node-pg-migrate makes it. */
function createApplied(tables: Tables): string {
  return `CREATE TABLE ${tables.applied} (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)`;
}

/**
 * The shape is for ever; `format` tells a later version what it reads. Stored down SQL is executed by whoever
 * rolls back, so nobody else may write here: default privileges of the schema are taken away again.
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
      at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
    )`,
    `COMMENT ON TABLE ${history} IS 'What migrations did here, and the SQL to undo them. Written by cdk-pg-migrate only.'`,
    `CREATE INDEX ON ${history} (migration, id)`,
    `CREATE INDEX ON ${history} (applied_id, id) WHERE applied_id IS NOT NULL`,
    `CREATE INDEX ON ${history} (id) WHERE no_transaction AND state <> 'finished'`,
    `DO ${pg.escapeLiteral(revokeFromOthers(history))}`,
  ];
}

function revokeFromOthers(history: string): string {
  const table = pg.escapeLiteral(history);
  return `DECLARE object record;
    BEGIN
      FOR object IN
        SELECT DISTINCT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::pg_catalog.regclass AS name,
               CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee
        FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
        WHERE c.oid IN (${table}::pg_catalog.regclass,
                        pg_catalog.pg_get_serial_sequence(${table}, 'id')::pg_catalog.regclass)
          AND a.grantee <> c.relowner
      LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s CASCADE', object.kind, object.name, object.grantee);
      END LOOP;
    END`;
}

import pg from "pg";
import { Hint, MigrationError, type Observer, type ResolvedOptions } from "../../core/index.ts";
import { asOwnSql, type Session } from "../../postgres/index.ts";
import { type Identity, sameTables, type TableNames } from "./guard.ts";
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
                      AND c.oid IS DISTINCT FROM pg_catalog.to_regclass($1)::pg_catalog.oid
                      AND c.oid IS DISTINCT FROM pg_catalog.to_regclass($2)::pg_catalog.oid
                      AND c.relnamespace = ANY (SELECT pg_catalog.to_regnamespace(pg_catalog.quote_ident(s))
                                                FROM pg_catalog.unnest($3::pg_catalog.text[]) AS s)
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
  await session.run(["BEGIN", ...guard, ...statements, "COMMIT"].join("; "));
  return (await findTables(session, tables)).identity;
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

/** Rights of one role (or `PUBLIC`) to change one of the engine's tables, or the sequence of its ids. */
interface Grant {
  readonly grantee: string;
  /** The statement that revokes them. */
  readonly revoke: string;
  readonly mayRevoke: boolean;
}

/**
 * Finds the rights of roles other than the owner, the user and superusers. A user who is not the owner may need the right
 * of one of its roles. Of a sequence only `UPDATE` counts: it allows to set ids, which are the order of application.
 */
function findGrants(session: Session, { applied, history }: TableNames): Promise<Grant[]> {
  return session.rows<Grant>(
    `SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee,
            pg_catalog.format('REVOKE %s ON %s %s FROM %s CASCADE',
              pg_catalog.string_agg(DISTINCT pg_catalog.concat(a.privilege_type, ' (' || pg_catalog.quote_ident(a.attname) || ')'), ', '),
              CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::pg_catalog.regclass,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END) AS revoke,
            pg_catalog.bool_and(me.rolsuper OR pg_catalog.pg_has_role(me.oid, c.relowner, 'USAGE')) AS "mayRevoke"
     FROM pg_catalog.pg_class AS c
     JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
     CROSS JOIN LATERAL (
       SELECT t.grantee, t.privilege_type, NULL::pg_catalog.name AS attname FROM pg_catalog.aclexplode(c.relacl) AS t
       UNION ALL
       SELECT t.grantee, t.privilege_type, att.attname FROM pg_catalog.pg_attribute AS att
       CROSS JOIN LATERAL pg_catalog.aclexplode(att.attacl) AS t WHERE att.attrelid = c.oid) AS a
     LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
     WHERE (c.oid IN (${OIDS}) OR c.relkind = 'S' AND c.oid IN (
              SELECT d.objid FROM pg_catalog.pg_depend AS d
              WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
                AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid IN (${OIDS})))
       AND a.grantee NOT IN (c.relowner, me.oid) AND r.rolsuper IS NOT TRUE
       AND CASE c.relkind WHEN 'S' THEN a.privilege_type = 'UPDATE' ELSE a.privilege_type <> 'SELECT' END
       AND (me.rolsuper OR pg_catalog.pg_has_role(me.oid, c.relowner, 'MEMBER') OR a.grantee = 0
            OR NOT pg_catalog.pg_has_role(me.oid, a.grantee, 'MEMBER'))
     GROUP BY c.oid, a.grantee, c.relkind ORDER BY c.oid, a.grantee`,
    [applied, history],
  );
}

const OIDS = "pg_catalog.to_regclass($1)::pg_catalog.oid, pg_catalog.to_regclass($2)::pg_catalog.oid";

/**
 * Refuses to undo while other roles may write the tables: they could choose what is undone, and with which SQL.
 * @throws MigrationError `UNTRUSTED_HISTORY` with the statements that revoke those rights
 */
export async function requireNoOtherWriters(session: Session, tables: TableNames): Promise<void> {
  const grants = await findGrants(session, tables);
  if (grants.length === 0) return;
  throw new MigrationError(
    "UNTRUSTED_HISTORY",
    `nothing is undone: other roles may write ${tables.applied} or its history: ${granteesOf(grants)}`,
    {
      hint: Hint.of`Check with ${Hint.command("status")} and ${Hint.command("history")} that both are right, then run: ${statementsOf(grants)};`,
    },
  );
}

/**
 * Revokes rights of other roles to change the tables. `GRANT ... ON ALL TABLES` gives such rights to roles that work with
 * the schema; they allow to run code as the role that migrates, or to make migrations run again.
 */
export async function revokeRights(session: Session, tables: TableNames, observe: Observer): Promise<void> {
  const grants = await findGrants(session, tables);
  if (grants.length === 0) return;
  const who = granteesOf(grants);
  if (!grants.every(({ mayRevoke }) => mayRevoke)) {
    const message = `other roles may write the tables of the engine: ${who}. Let their owner run: ${statementsOf(grants)};`;
    return observe({ type: "warning", message });
  }
  await session.run(`BEGIN READ WRITE; ${statementsOf(grants)}; COMMIT`);
  const message = `other roles could write the tables of the engine, which was revoked: ${statementsOf(grants)};`;
  observe({ type: "warning", message });
}

function granteesOf(grants: readonly Grant[]): string {
  return [...new Set(grants.map(({ grantee }) => grantee))].join(", ");
}

function statementsOf(grants: readonly Grant[]): string {
  return grants.map(({ revoke }) => revoke).join("; ");
}

/** One statement that revokes the rights to a new table that default privileges have given to other roles. */
export function revokeDefaults(name: string, what: "writing" | "everything"): string {
  const table = pg.escapeLiteral(name);
  const body = `DECLARE object record;
    BEGIN
      FOR object IN
        SELECT DISTINCT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::pg_catalog.regclass AS name,
               ${what === "everything" ? "'ALL'" : "a.privilege_type"} AS privilege,
               CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS grantee
        FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
        WHERE c.oid IN (${table}::pg_catalog.regclass,
                        pg_catalog.pg_get_serial_sequence(${table}, 'id')::pg_catalog.regclass)
          AND a.grantee <> c.relowner ${what === "everything" ? "" : "AND a.privilege_type <> 'SELECT'"}
      LOOP
        EXECUTE pg_catalog.format('REVOKE %s ON %s %s FROM %s CASCADE', object.privilege, object.kind, object.name, object.grantee);
      END LOOP;
    END`;
  return `DO ${pg.escapeLiteral(body)}`;
}

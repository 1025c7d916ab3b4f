import pg from "pg";
import { Hint, MigrationError } from "../../core/index.ts";
import { ANOTHER_TABLE, type Session } from "../../postgres/index.ts";
import type { TableNames } from "./guard.ts";

/** Facts from the catalog about one of the engine's tables. Statements in it would correct what is wrong. */
export interface TableFacts {
  readonly oid: number;
  /** Qualified and quoted. */
  readonly name: string;
  readonly kind: string;
  readonly isPartition: boolean;
  readonly owner: string;
  readonly isOwnerTrusted: boolean;
  /** The current user, quoted. */
  readonly user: string;
  readonly rules: readonly string[];
  readonly triggers: readonly string[];
  readonly policies: readonly string[];
  readonly isFiltered: boolean;
  readonly inheritance: readonly string[];
  /** Columns whose type is not built in, each with its type. */
  readonly types: readonly string[];
  /** Untrusted code in defaults, constraints and indexes. */
  readonly code: readonly string[];
}

/**
 * An owner is trusted if it has such power anyway: the user, a role of the user, a superuser, the owner of the database or
 * of the schema. (A superuser is a member of every role, which is no sign of trust.) For a read-only user without the
 * right to write, such as a role for monitoring, every owner is trusted.
 */
const OWNER_TRUSTED = `(
  pg_catalog.pg_get_userbyid(c.relowner) = current_user
  OR c.relowner IN (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolsuper)
  OR c.relowner IN (SELECT n.nspowner FROM pg_catalog.pg_namespace AS n WHERE n.oid = c.relnamespace)
  OR c.relowner IN (SELECT d.datdba FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
  OR EXISTS (SELECT FROM pg_catalog.pg_roles AS me WHERE me.rolname = current_user AND NOT me.rolsuper
             AND pg_catalog.pg_has_role(me.oid, c.relowner, 'MEMBER'))
  OR (pg_catalog.current_setting('transaction_read_only') = 'on'
      AND NOT pg_catalog.has_table_privilege(c.oid, 'INSERT')))`;

/** Lower oids belong to objects of the server itself. */
const FIRST_USER_OID = 16384;

/** The objects that a written row passes, apart from triggers: catalog and oid of each. */
const WRITTEN_THROUGH = `
  SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass AS classid, oid AS objid FROM pg_catalog.pg_attrdef WHERE adrelid = c.oid
  UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid FROM pg_catalog.pg_constraint WHERE conrelid = c.oid
  UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, indexrelid FROM pg_catalog.pg_index WHERE indrelid = c.oid`;

/**
 * Expressions in the tables of the engine and of node-pg-migrate, as the server prints them. If the owner is neither the
 * user nor a superuser, no other expressions are trusted: built-in functions can run SQL, too.
 */
const USUAL_DEFAULT = String.raw`^(nextval\('[^']+'::regclass\)|(pg_catalog\.)?(now|clock_timestamp)\(\)|CURRENT_TIMESTAMP|true|false|-?\d+|'[^']*'::[a-z ]+)$`;
const USUAL_CHECK = String.raw`^CHECK \(\((jsonb_typeof\(\w+\) = 'array'::text|\w+ = ANY \(ARRAY\[('\w+'::text(, )?)+\]\))\)\)$`;
const USUAL_PREDICATE = String.raw`^\((applied_id IS NOT NULL|no_transaction AND \(state <> 'finished'::text\))\)$`;

const UNUSUAL = `
  SELECT pg_catalog.pg_get_expr(e.adbin, e.adrelid) AS expression FROM pg_catalog.pg_attrdef AS e
  WHERE e.adrelid = c.oid AND pg_catalog.pg_get_expr(e.adbin, e.adrelid) !~ ${pg.escapeLiteral(USUAL_DEFAULT)}
  UNION ALL SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint AS k
  WHERE k.conrelid = c.oid AND k.contype IN ('c', 'x') AND pg_catalog.pg_get_constraintdef(k.oid) !~ ${pg.escapeLiteral(USUAL_CHECK)}
  UNION ALL SELECT pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index AS i
  WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL
    OR pg_catalog.pg_get_expr(i.indpred, i.indrelid) !~ ${pg.escapeLiteral(USUAL_PREDICATE)})`;

/** A query for the `TableFacts` of both tables. A foreign key is a trigger on both of its tables. */
export function tableFacts({ applied, history }: TableNames): string {
  return `
  SELECT c.oid::pg_catalog.int8 AS oid, c.oid::pg_catalog.regclass::pg_catalog.text AS name,
    c.relkind::pg_catalog.text AS kind, c.relispartition AS "isPartition",
    pg_catalog.pg_get_userbyid(c.relowner) AS owner, ${OWNER_TRUSTED} AS "isOwnerTrusted",
    pg_catalog.quote_ident(current_user) AS user,
    ARRAY(SELECT pg_catalog.format('DROP RULE %I ON %s', r.rulename, c.oid::pg_catalog.regclass)
          FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = c.oid) AS rules,
    ARRAY(SELECT DISTINCT CASE WHEN t.tgisinternal AND k.oid IS NOT NULL
            THEN pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::pg_catalog.regclass, k.conname)
            ELSE pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, c.oid::pg_catalog.regclass) END
          FROM pg_catalog.pg_trigger AS t LEFT JOIN pg_catalog.pg_constraint AS k ON k.oid = t.tgconstraint
          WHERE t.tgrelid = c.oid) AS triggers,
    ARRAY(SELECT pg_catalog.format('DROP POLICY %I ON %s', p.polname, c.oid::pg_catalog.regclass)
          FROM pg_catalog.pg_policy AS p WHERE p.polrelid = c.oid) AS policies,
    pg_catalog.row_security_active(c.oid) AS "isFiltered",
    ARRAY(SELECT pg_catalog.format('ALTER TABLE %s NO INHERIT %s', i.inhrelid::pg_catalog.regclass, i.inhparent::pg_catalog.regclass)
          FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid OR i.inhrelid = c.oid) AS inheritance,
    ARRAY(SELECT pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
          FROM pg_catalog.pg_attribute AS a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.atttypid >= ${FIRST_USER_OID}) AS types,
    ARRAY(SELECT DISTINCT pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
          FROM (${WRITTEN_THROUGH}) AS part
          JOIN pg_catalog.pg_depend AS d ON d.classid = part.classid AND d.objid = part.objid
          WHERE d.refobjid >= ${FIRST_USER_OID} AND d.refclassid IN (
            'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass,
            'pg_catalog.pg_opclass'::pg_catalog.regclass, 'pg_catalog.pg_opfamily'::pg_catalog.regclass,
            'pg_catalog.pg_type'::pg_catalog.regclass)
          UNION ALL SELECT unusual.expression FROM (${UNUSUAL}) AS unusual
          WHERE pg_catalog.pg_get_userbyid(c.relowner) <> current_user
            AND c.relowner NOT IN (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolsuper)) AS code
  FROM pg_catalog.pg_class AS c
  WHERE c.oid IN (pg_catalog.to_regclass(${pg.escapeLiteral(applied)})::pg_catalog.oid,
                  pg_catalog.to_regclass(${pg.escapeLiteral(history)})::pg_catalog.oid)`;
}

/** A statement that fails unless both tables exist and `requireOrdinary` would accept them. */
export function ordinaryTables(tables: TableNames): string {
  const lists = ["rules", "triggers", "policies", "inheritance", "types", "code"];
  const isEmpty = lists.map((list) => `pg_catalog.cardinality(facts.${list}) = 0`);
  return `SELECT pg_catalog.current_setting('${ANOTHER_TABLE}') WHERE 2 <> (
    SELECT pg_catalog.count(*) FROM (${tableFacts(tables)}) AS facts
    WHERE facts.kind = 'r' AND facts."isOwnerTrusted" AND NOT facts."isPartition" AND NOT facts."isFiltered"
      AND ${isEmpty.join(" AND ")})`;
}

/**
 * Refuses a relation in place of one of the engine's tables if reading or writing it would run code of another role with
 * the rights of the role that migrates, which may be a superuser.
 * @throws MigrationError `UNTRUSTED_HISTORY`
 */
export function requireOrdinary(tables: readonly TableFacts[]): void {
  for (const table of tables) {
    const problem = problemOf(table);
    if (problem === undefined) continue;
    const [what, remedy] = problem;
    throw new MigrationError("UNTRUSTED_HISTORY", `${table.name} ${what}: nothing in it is read or written`, {
      hint: Hint.of`${remedy} Or name another table with ${Hint.option("migrationsTable")}.`,
    });
  }
}

type Problem = readonly [what: string, remedy: string];

function problemOf(table: TableFacts): Problem | undefined {
  const { kind, name, owner, user, rules, triggers, policies, inheritance, types, code } = table;
  if (kind !== "r") {
    const [noun, command] = KINDS[kind] ?? ["not a table", undefined];
    const drop = command === undefined ? "Rename it." : `If nothing needs it: ${command} ${name};`;
    return [`is ${noun}, not an ordinary table`, drop];
  }
  if (!table.isOwnerTrusted)
    return [
      `belongs to another user (${owner})`,
      `If you trust what is in it: ALTER TABLE ${name} OWNER TO ${user};`,
    ];
  if (rules.length > 0) return ["has rules, which run with your rights", run(rules)];
  if (triggers.length > 0) return ["has triggers or foreign keys, which run with your rights", run(triggers)];
  if (policies.length > 0) return ["has row security policies", run(policies)];
  if (table.isFiltered)
    return [
      "has row security that hides rows from you",
      run([`ALTER TABLE ${name} DISABLE ROW LEVEL SECURITY`]),
    ];
  if (table.isPartition || inheritance.length > 0)
    return ["has parents or children by inheritance", run(table.isPartition ? [] : inheritance)];
  if (types.length > 0)
    return [
      `has columns of types that are not the server's own (${types.join(", ")})`,
      "Give them their usual types.",
    ];
  if (code.length > 0) {
    const odd = `defaults, constraints or indexes of an unusual kind (${code.join(", ")})`;
    return [`has ${odd}, which run with your rights`, "Drop those defaults, constraints or indexes."];
  }
  return undefined;
}

/** The meaning of `relkind`, and the command to drop such a relation. */
const KINDS: Readonly<Record<string, readonly [noun: string, command: string]>> = {
  v: ["a view", "DROP VIEW"],
  m: ["a materialized view", "DROP MATERIALIZED VIEW"],
  f: ["a foreign table", "DROP FOREIGN TABLE"],
  p: ["a partitioned table", "DROP TABLE"],
  S: ["a sequence", "DROP SEQUENCE"],
  c: ["a composite type", "DROP TYPE"],
  i: ["an index", "DROP INDEX"],
  I: ["an index", "DROP INDEX"],
};

function run(statements: readonly string[]): string {
  return statements.length === 0 ? "Detach it." : `Run: ${statements.join("; ")};`;
}

interface Trust {
  readonly owned: boolean;
  readonly writers: readonly string[];
}

/**
 * Recorded SQL is executed with the rights of the role that migrates, so it is only as safe as its table. The table must
 * belong to the current user, and only superusers may write it besides: no role may have a grant, and no role with a
 * login may be a member of one that has.
 * @throws MigrationError `UNTRUSTED_HISTORY`
 */
export async function requireTrustedHistory(session: Session, tables: TableNames): Promise<void> {
  const [trust] = await session.rows<Trust>(
    `SELECT c.relowner = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) AS owned,
            ARRAY(SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text END
                  FROM (SELECT c.relacl AS acl
                        UNION ALL SELECT attacl FROM pg_catalog.pg_attribute WHERE attrelid = c.oid) AS rights
                  CROSS JOIN LATERAL pg_catalog.aclexplode(rights.acl) AS a
                  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
                  WHERE a.grantee <> c.relowner AND a.privilege_type <> 'SELECT' AND r.rolsuper IS NOT TRUE
                  UNION
                  SELECT r.rolname::pg_catalog.text FROM pg_catalog.pg_roles AS r
                  WHERE r.rolcanlogin AND NOT r.rolsuper AND r.oid <> c.relowner
                    AND (pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
                         OR pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER')
                         OR pg_catalog.pg_has_role(r.oid, 'pg_write_all_data', 'MEMBER'))
                  ORDER BY 1) AS writers
     FROM pg_catalog.pg_class AS c WHERE c.oid = $1::pg_catalog.regclass`,
    [tables.history],
  );
  const reason = reasonAgainst(trust);
  if (reason === undefined) return;
  throw new MigrationError(
    "UNTRUSTED_HISTORY",
    `the SQL stored in ${tables.history} is not executed: ${reason}`,
    {
      hint: Hint.of`Undo with the migration's file (${Hint.field("from", "file")}), or put the table's owner and rights in order first.`,
    },
  );
}

function reasonAgainst(trust: Trust | undefined): string | undefined {
  if (trust === undefined) return "it is not there any more";
  if (!trust.owned) return "it belongs to another user";
  if (trust.writers.length > 0) return `other roles may write it: ${trust.writers.join(", ")}`;
  return undefined;
}

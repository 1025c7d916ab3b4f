import type { SchemaChange, SchemaPart } from "../core/index.ts";
import type { Session } from "../postgres/index.ts";
import type { Tables } from "./history/tables.ts";

/** What the configured schemas hold, as far as a summary of changes needs it. */
export type SchemaSummary = ReadonlyMap<string, SchemaObject>;

interface SchemaObject {
  readonly kind: SchemaChange["kind"];
  readonly name: string;
  readonly parts: readonly (readonly [kind: SchemaPart["kind"], name: string, digest: string])[];
}

/**
 * Reads tables, views, functions and types in one query, without the engine's own tables and what extensions made. Rules
 * and expressions are compared as the catalogue stores them: the functions that print them lock the tables they name.
 */
export async function readSchema(
  session: Session,
  { applied, history, options }: Tables,
): Promise<SchemaSummary> {
  const objects = await session.rows<SchemaObject & { readonly key: string }>(SCHEMA_QUERY, [
    options.schema,
    applied,
    history,
    options.schema[0],
  ]);
  return new Map(objects.map(({ key, ...object }) => [key, object]));
}

/** What is different after a run, in the order of kinds and names. */
export function compareSchemas(before: SchemaSummary, after: SchemaSummary): SchemaChange[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])].sort();
  const changes = keys.flatMap((key) => {
    const [old, now] = [before.get(key), after.get(key)];
    if (now === undefined) return old === undefined ? [] : [changeOf(old, "removed", [])];
    if (old === undefined) return [changeOf(now, "added", [])];
    const parts = compareParts(old, now);
    return parts.length === 0 ? [] : [changeOf(now, "altered", parts)];
  });
  return KINDS.flatMap((kind) => changes.filter((change) => change.kind === kind));
}

const KINDS = [
  "table",
  "foreign table",
  "view",
  "materialized view",
  "type",
  "function",
  "procedure",
] as const satisfies SchemaChange["kind"][];

function changeOf(
  { kind, name, parts: all }: SchemaObject,
  change: SchemaChange["change"],
  parts: readonly SchemaPart[],
): SchemaChange {
  const columns = all.filter(([part]) => part === "column").length;
  return { kind, name, change, parts, ...(columns === 0 ? {} : { columns }) };
}

function compareParts(old: SchemaObject, now: SchemaObject): SchemaPart[] {
  const byName = ({ parts }: SchemaObject) =>
    new Map(parts.map((part) => [`${part[0]} ${part[1]}`, part] as const));
  const [before, after] = [byName(old), byName(now)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [a, b] = [before.get(key), after.get(key)];
    const [kind, name] = a ?? b ?? [];
    if (kind === undefined || name === undefined || a?.[2] === b?.[2]) return [];
    const change = a === undefined ? "added" : b === undefined ? "removed" : "altered";
    return [{ kind, name, change } satisfies SchemaPart];
  });
}

const MADE_BY_EXTENSION = (classId: string, oid: string) => `EXISTS (
  SELECT 1 FROM pg_catalog.pg_depend AS e
  WHERE e.classid = '${classId}'::pg_catalog.regclass AND e.objid = ${oid} AND e.deptype = 'e')`;

const NAME = (name: string) =>
  `CASE WHEN s.name = $4 THEN '' ELSE pg_catalog.quote_ident(s.name) || '.' END || ${name}`;

const digest = (...values: readonly string[]) =>
  `pg_catalog.left(pg_catalog.md5(pg_catalog.concat_ws('/', ${values.join(", ")})), 8)`;

/** Each part of a relation: its table's oid, its kind, its name, a digest of the rest. */
const PARTS_OF_RELATIONS = `
  SELECT a.attrelid AS of, 'column' AS kind, a.attname::pg_catalog.text AS name, a.attnum::pg_catalog.int4 AS place,
         ${digest("pg_catalog.format_type(a.atttypid, a.atttypmod)", "a.attnotnull", "a.attidentity", "a.attgenerated", "a.attcollation", "d.adbin")} AS digest
  FROM pg_catalog.pg_attribute AS a
  LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN (SELECT oid FROM relations)
  UNION ALL
  SELECT conrelid, 'constraint', conname::pg_catalog.text, 2000,
         ${digest("contype", "conkey", "confrelid", "confkey", "confdeltype", "confupdtype", "convalidated", "conbin")}
  FROM pg_catalog.pg_constraint WHERE conrelid IN (SELECT oid FROM relations) AND contype <> 'n'
  UNION ALL
  SELECT i.indrelid, 'index', x.relname::pg_catalog.text, 2001,
         ${digest("i.indkey::pg_catalog.text", "i.indoption::pg_catalog.text", "i.indclass::pg_catalog.text", "i.indisunique", "i.indisvalid", "i.indexprs", "i.indpred", "x.relam")}
  FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
  WHERE i.indrelid IN (SELECT oid FROM relations)
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
  UNION ALL
  SELECT tgrelid, 'trigger', tgname::pg_catalog.text, 2002, ${digest("tgfoid", "tgtype", "tgattr::pg_catalog.text", "tgenabled", "tgqual", "tgargs")}
  FROM pg_catalog.pg_trigger WHERE tgrelid IN (SELECT oid FROM relations) AND NOT tgisinternal
  UNION ALL
  SELECT r.ev_class, 'definition', '', 2003, ${digest("r.ev_action")}
  FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class IN (SELECT oid FROM relations) AND r.rulename = '_RETURN'`;

const PARTS_BY_RELATION = `
  SELECT of, pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(kind, name, digest) ORDER BY place, name) AS list
  FROM (${PARTS_OF_RELATIONS}) AS part GROUP BY of`;

const SCHEMA_QUERY = `
WITH s AS (
  SELECT oid, nspname AS name FROM pg_catalog.pg_namespace
  WHERE oid = ANY (SELECT pg_catalog.to_regnamespace(pg_catalog.quote_ident(wanted)) FROM pg_catalog.unnest($1::pg_catalog.text[]) AS wanted)
), relations AS (
  SELECT c.oid FROM pg_catalog.pg_class AS c JOIN s ON s.oid = c.relnamespace
), parts AS (${PARTS_BY_RELATION})
SELECT kind || ' ' || name AS key, kind, name, COALESCE(parts, '[]') AS parts FROM (
  SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind,
         ${NAME("pg_catalog.quote_ident(c.relname)")} AS name,
         parts.list AS parts
  FROM pg_catalog.pg_class AS c JOIN s ON s.oid = c.relnamespace LEFT JOIN parts ON parts.of = c.oid
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    AND c.oid NOT IN (SELECT pg_catalog.to_regclass(own)::pg_catalog.oid FROM pg_catalog.unnest(ARRAY[$2, $3]) AS own WHERE pg_catalog.to_regclass(own) IS NOT NULL)
    AND NOT ${MADE_BY_EXTENSION("pg_catalog.pg_class", "c.oid")}
  UNION ALL
  SELECT CASE f.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
         ${NAME("pg_catalog.quote_ident(f.proname) || '(' || pg_catalog.pg_get_function_identity_arguments(f.oid) || ')'")},
         pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_array('definition', '',
           ${digest("f.prosrc", "f.prosqlbody", "f.prorettype", "f.prolang", "f.provolatile", "f.prosecdef", "f.proisstrict", "f.proconfig")}))
  FROM pg_catalog.pg_proc AS f JOIN s ON s.oid = f.pronamespace
  WHERE NOT ${MADE_BY_EXTENSION("pg_catalog.pg_proc", "f.oid")}
  UNION ALL
  SELECT 'type', ${NAME("pg_catalog.quote_ident(t.typname)")},
         CASE t.typtype
           WHEN 'e' THEN (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array('value', e.enumlabel, '') ORDER BY e.enumsortorder)
                          FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid)
           WHEN 'c' THEN parts.list
           ELSE pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_array('definition', '',
             ${digest("t.typbasetype", "t.typnotnull", "t.typdefaultbin", "(SELECT pg_catalog.string_agg(k.conbin::pg_catalog.text, '/' ORDER BY k.conname) FROM pg_catalog.pg_constraint AS k WHERE k.contypid = t.oid)")})) END
  FROM pg_catalog.pg_type AS t JOIN s ON s.oid = t.typnamespace LEFT JOIN parts ON parts.of = t.typrelid
  WHERE (t.typtype IN ('e', 'd', 'r')
         OR t.typtype = 'c' AND (SELECT relkind = 'c' FROM pg_catalog.pg_class WHERE oid = t.typrelid))
    AND NOT ${MADE_BY_EXTENSION("pg_catalog.pg_type", "t.oid")}
) AS objects`;

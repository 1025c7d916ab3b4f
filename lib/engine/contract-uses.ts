import { type ContractUse, given, MigrationError } from "../core/index.ts";
import type { Session } from "../postgres/index.ts";
import {
  type DroppedName,
  droppedNames,
  isEmptySql,
  maskSecrets,
  mentions,
  oneLine,
  quoteLiteral,
} from "../sql/index.ts";
import { type Context, loadOptions } from "./context.ts";
import type { PendingContracts } from "./contracts.ts";
import { type PlannedMigration, planUp } from "./plan.ts";

/** What is found where names may be used. */
interface FoundText extends Pick<ContractUse, "kind" | "name"> {
  readonly text: string;
  readonly calls?: number;
  readonly user?: string;
  readonly since?: string | null;
}

/**
 * Searches views, functions, generated columns and counted statements for what the pending contracts drop. A contract whose
 * SQL is not known without the database has no findings, nor has a place that this user may not look into.
 */
export async function findContractUses(
  context: Context,
  contracts: PendingContracts | undefined,
): Promise<readonly ContractUse[]> {
  if (contracts === undefined) return [];
  const names = [...contracts.targets.keys()];
  const planned = await planUp(context.source, names, { ...loadOptions(context), warn: () => {} }).catch(
    ignored,
  );
  return usesOf(context.session, planned ?? []);
}

/** As `findContractUses`, for contracts that are planned already. */
export async function usesOf(
  session: Session,
  planned: readonly PlannedMigration[],
): Promise<readonly ContractUse[]> {
  const drops = planned.flatMap(({ name, rendered }) => {
    const sql = rendered.kind === "static" && !isEmptySql(rendered.steps) ? rendered.steps.join("\n") : "";
    return droppedNames(sql).map((dropped) => ({ migration: name, sql, dropped }));
  });
  if (drops.length === 0) return [];
  const tables = [...new Set(drops.map(({ dropped }) => dropped.table))];
  const found = [
    ...(await read<FoundText>(session, objectsQuery(tables))),
    ...(await readStatements(session, tables)),
  ];
  return drops.flatMap(({ migration, sql, dropped }) =>
    found.flatMap((one) =>
      uses(one, dropped) && !isDroppedToo(one, sql) ? [useOf(migration, dropped, one)] : [],
    ),
  );
}

function uses({ text }: FoundText, { table, column }: DroppedName): boolean {
  return mentions(text, table) && (column === undefined || mentions(text, column));
}

/** What the contract itself drops or replaces does not stand in its way. */
function isDroppedToo({ kind, name }: FoundText, sql: string): boolean {
  return kind !== "statement" && mentions(sql, name.slice(name.lastIndexOf(".") + 1).replaceAll('"', ""));
}

const SHOWN_STATEMENT = 120;

function useOf(migration: string, { table, column }: DroppedName, found: FoundText): ContractUse {
  const { kind, name, calls, user, since } = found;
  const shown = kind === "statement" ? oneLine(maskSecrets(name), SHOWN_STATEMENT) : name;
  const drops = column === undefined ? table : `${table}.${column}`;
  return { migration, drops, kind, name: shown, ...given({ calls, user, since }) };
}

/** A use as a sentence without its end. */
export function describeUse({ migration, drops, kind, name, calls, user, since }: ContractUse): string {
  if (kind !== "statement") return `${migration} drops ${drops}, which the ${kind} ${name} names`;
  const times = calls === 1 ? "once" : `${calls} times`;
  const from = since == null ? "" : ` since ${since}`;
  return `${migration} drops ${drops}, named by a statement that ran ${times} as ${user}${from}: ${name}`;
}

/** The definitions that have the name of one of the tables in them, outside of the server's own schemas. */
function objectsQuery(tables: readonly string[]): string {
  return `WITH found AS (
      SELECT CASE WHEN c.relkind IN ('v', 'm') THEN 'view' END AS kind, c.oid::pg_catalog.regclass::text AS name,
             pg_catalog.pg_get_viewdef(c.oid) AS text, c.relnamespace AS namespace
      FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('v', 'm')
      UNION ALL
      SELECT 'function', p.oid::pg_catalog.regproc::text,
             pg_catalog.concat(p.prosrc, CASE WHEN p.prosrc = '' THEN pg_catalog.pg_get_functiondef(p.oid) END,
               (SELECT pg_catalog.string_agg(pg_catalog.concat(' ', t.tgrelid::pg_catalog.regclass), '')
                FROM pg_catalog.pg_trigger AS t WHERE t.tgfoid = p.oid AND NOT t.tgisinternal)), p.pronamespace
      FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
      WHERE p.prokind IN ('f', 'p') AND l.lanname NOT IN ('c', 'internal')
      UNION ALL
      SELECT 'generated column', pg_catalog.concat(c.oid::pg_catalog.regclass, '.', pg_catalog.quote_ident(a.attname)),
             pg_catalog.concat(c.relname, ' ', pg_catalog.pg_get_expr(d.adbin, d.adrelid)), c.relnamespace
      FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attgenerated <> '' AND NOT a.attisdropped
    )
    SELECT kind, name, text FROM found
    WHERE namespace NOT IN ('pg_catalog'::pg_catalog.regnamespace, 'information_schema'::pg_catalog.regnamespace)
      AND (${containing("text", tables)})
    ORDER BY kind, name`;
}

/** A first, cheap choice: the lexer decides. */
function containing(column: string, tables: readonly string[]): string {
  return tables
    .map(
      (table) => `pg_catalog.strpos(pg_catalog.lower(${column}), ${quoteLiteral(table.toLowerCase())}) > 0`,
    )
    .join(" OR ");
}

/** Statements of the server's counter, where it is installed. Those that change the schema are no use of it. */
async function readStatements(session: Session, tables: readonly string[]): Promise<readonly FoundText[]> {
  const [extension] = await read<{ schema: string; hasInfo: boolean }>(
    session,
    `SELECT pg_catalog.quote_ident(n.nspname) AS schema,
            pg_catalog.to_regclass(pg_catalog.quote_ident(n.nspname) || '.pg_stat_statements_info') IS NOT NULL AS "hasInfo"
     FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
     WHERE e.extname = 'pg_stat_statements'`,
  );
  if (extension === undefined) return [];
  const { schema, hasInfo } = extension;
  const reset = hasInfo ? `(SELECT stats_reset FROM ${schema}.pg_stat_statements_info)` : "NULL::timestamptz";
  return read(
    session,
    `SELECT 'statement' AS kind, s.query AS name, s.query AS text, s.calls::pg_catalog.float8 AS calls,
            pg_catalog.pg_get_userbyid(s.userid)::text AS user,
            pg_catalog.to_char(pg_catalog.timezone('UTC', ${reset}), 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
     FROM ${schema}.pg_stat_statements AS s
     WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
       AND s.query ~* '^[[:space:](]*(select|insert|update|delete|merge|with|copy|table)\\M'
       AND (${containing("s.query", tables)})
     ORDER BY s.calls DESC LIMIT 50`,
  );
}

/** Looking must not take long, and never fails what it is for. */
const LONGEST_MS = 5_000;

async function read<Row extends object>(session: Session, query: string): Promise<readonly Row[]> {
  const rows = session.lastRows<Row>(`SET LOCAL statement_timeout = ${LONGEST_MS}; ${query}`);
  return (await rows.catch(ignored)) ?? [];
}

function ignored(error: unknown): undefined {
  if (error instanceof MigrationError && ["SQL", "LOCK_TIMEOUT", "MIGRATION"].includes(error.code))
    return undefined;
  throw error;
}

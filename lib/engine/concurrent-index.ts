import pg from "pg";
import { MigrationError } from "../core/index.ts";
import { ENGINE_PATH, type OnProgress, type Session } from "../postgres/index.ts";
import { isConcurrent, isKeyword, statementTokens, type Token } from "../sql/index.ts";

/**
 * Runs a statement outside a transaction. A concurrent statement has no lock timeout: giving up because of an old
 * transaction would throw finished work away. When it builds an index, invalid indexes of this attempt and of earlier
 * ones are dropped.
 */
export async function runBeside<T>(
  session: Session,
  { text, onProgress }: BesideOthers,
  run: (onProgress?: OnProgress) => Promise<T>,
): Promise<T> {
  if (session.transactionStatus !== "I" || !isConcurrent(text)) return run();
  const index = parseConcurrentIndex(text);
  const watched = () => run(onProgress);
  return withoutLockTimeout(session, () =>
    index === undefined ? watched() : build(session, index, watched),
  );
}

/** A statement, and who is told of its progress if it is concurrent. */
export interface BesideOthers {
  readonly text: string;
  readonly onProgress?: OnProgress | undefined;
}

/** A lock timeout that the migration has set itself stays in force. */
async function withoutLockTimeout<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const usual = String(session.lockTimeoutMs);
  const [row] = await inCatalog<{ setting: string }>(
    session,
    "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'",
  );
  if (row?.setting !== usual || usual === "0") return work();
  await session.run("SET lock_timeout = 0");
  try {
    return await work();
  } finally {
    await session.cleanUp(`SET lock_timeout = ${usual}`);
  }
}

/** Attempts to build an index that other sessions leave invalid at the same time. */
const MOST_TRIES = 3;

async function build<T>(session: Session, index: ConcurrentIndex, run: () => Promise<T>): Promise<T> {
  const table = await findTable(session, index);
  if (table === undefined) return run();
  if (index.name === undefined) return buildUnnamed(session, table, run);
  for (let attempt = 1; attempt <= MOST_TRIES; attempt += 1) {
    for (const { oid } of await findInvalid(session, table, index.name))
      await dropAbandoned(session, table, oid);
    const result = await run();
    // With IF NOT EXISTS the server skips an index that another session may have failed to build in the meantime.
    if (!index.ifNotExists || (await findInvalid(session, table, index.name)).length === 0) return result;
  }
  throw new MigrationError(
    "MIGRATION",
    `index ${index.name} on ${table.name} is invalid: no query can use it`,
    {
      hint: `Another session builds it again and again. Wait for it, or run DROP INDEX CONCURRENTLY ${index.name};`,
    },
  );
}

/** For an index without a name, the server chooses a new name with each attempt. */
async function buildUnnamed<T>(session: Session, table: TableName, run: () => Promise<T>): Promise<T> {
  const before = await inCatalog<{ oid: number }>(
    session,
    `SELECT i.indexrelid AS oid FROM pg_catalog.pg_index AS i WHERE i.indrelid = ${table.oid}`,
  );
  const result = await run();
  const oids = before.map(({ oid }) => oid).join(", ") || "0";
  const leftBehind = await inCatalog<{ oid: number }>(
    session,
    `SELECT old.indexrelid AS oid FROM (${definitions(table)}) AS fresh JOIN (${definitions(table)}) AS old USING (definition)
     WHERE fresh.indisvalid AND NOT old.indisvalid
       AND fresh.indexrelid NOT IN (${oids}) AND old.indexrelid IN (${oids})`,
  );
  for (const { oid } of leftBehind) await dropAbandoned(session, table, oid);
  return result;
}

/** A query for the indexes of a table. Their definition leaves out the number that the server adds to a name. */
function definitions({ oid }: TableName): string {
  return `SELECT i.indexrelid, i.indisvalid, pg_catalog.concat_ws(' ', pg_catalog.regexp_replace(c.relname, '[0-9]+$', ''),
            i.indisunique, i.indnkeyatts, i.indkey, i.indcollation, i.indclass, i.indoption, c.relam,
            pg_catalog.pg_get_expr(i.indexprs, i.indrelid), pg_catalog.pg_get_expr(i.indpred, i.indrelid)) AS definition
          FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
          WHERE i.indrelid = ${oid} AND c.relkind = 'i'`;
}

interface TableName {
  readonly oid: number;
  /** Qualified and quoted. */
  readonly name: string;
}

/** Finds the table in the migration's search path. The query has no operators, because other roles could have defined them. */
async function findTable(session: Session, { table }: ConcurrentIndex): Promise<TableName | undefined> {
  const parts = table.map((part) => `pg_catalog.quote_ident(${asRead(part)})`).join(", '.', ");
  const [row] = await session.rows<{ oid: number | null }>(
    `SELECT pg_catalog.to_regclass(pg_catalog.concat(${parts}))::pg_catalog.oid AS oid`,
  );
  const oid = row?.oid ?? null;
  if (oid === null) return undefined;
  const [named] = await inCatalog<{ name: string }>(
    session,
    `SELECT ${oid}::pg_catalog.regclass::pg_catalog.text AS name`,
  );
  return named === undefined ? undefined : { oid, name: named.name };
}

/**
 * An expression for an identifier as the server reads it: folded to lower case, cut to 63 bytes, without quotes and
 * escapes. Only the server knows these rules exactly.
 */
function asRead(identifier: string): string {
  return `(SELECT pg_catalog.json_object_keys(pg_catalog.row_to_json(part)) FROM (SELECT 1 AS ${identifier}) AS part)`;
}

/** Prefix of the name of an invalid index that is about to be dropped. */
const ABANDONED = "cdk_pg_migrate_abandoned_";

/** Invalid indexes of the table: those with this name, and those that an earlier attempt has renamed to drop them. */
function findInvalid(session: Session, table: TableName, name: string): Promise<{ oid: number }[]> {
  return inCatalog(
    session,
    `SELECT i.indexrelid AS oid FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
     WHERE i.indrelid = ${table.oid} AND NOT i.indisvalid AND c.relkind = 'i'
       AND (c.relname = ${asRead(name)} OR pg_catalog.starts_with(c.relname, '${ABANDONED}'))`,
  );
}

/**
 * Drops an index if it is still invalid after every build of it has ended. A session that builds an index holds a lock
 * on its table that only one session can hold: under this lock the catalog is certain. The lock cannot be kept while the
 * index is dropped, because readers would have to wait, so the index first gets a name that no other session uses.
 */
async function dropAbandoned(session: Session, table: TableName, oid: number): Promise<void> {
  const schema = await lockAndRename(session, table, oid);
  if (schema === undefined) return;
  await session.run(`DROP INDEX CONCURRENTLY IF EXISTS ${schema}.${ABANDONED}${oid}`);
}

/** @returns the schema of the renamed index; undefined when it is valid by now, or gone */
async function lockAndRename(session: Session, table: TableName, oid: number): Promise<string | undefined> {
  try {
    await session.run(
      `BEGIN; SET LOCAL search_path = ${ENGINE_PATH}; LOCK TABLE ONLY ${table.name} IN SHARE UPDATE EXCLUSIVE MODE`,
    );
    await waitForLastCommit(session, oid);
    const [index] = await session.rows<{ name: string; relname: string; schema: string }>(
      `SELECT c.oid::pg_catalog.regclass::pg_catalog.text AS name, c.relname, pg_catalog.quote_ident(n.nspname) AS schema
       FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       WHERE i.indexrelid = ${oid} AND i.indrelid = ${table.oid} AND NOT i.indisvalid`,
    );
    const rename =
      index === undefined || index.relname === `${ABANDONED}${oid}`
        ? ""
        : `ALTER INDEX ${index.name} RENAME TO ${pg.escapeIdentifier(`${ABANDONED}${oid}`)}; `;
    await session.run(`${rename}COMMIT`);
    return index?.schema;
  } catch (error) {
    await session.rollback();
    throw error;
  }
}

/**
 * Waits while an open transaction has changed the index's row in the catalog. A server releases the table lock of
 * CREATE INDEX CONCURRENTLY a moment before it commits that the index is valid.
 */
async function waitForLastCommit(session: Session, oid: number): Promise<void> {
  const isChanging = `SELECT pg_catalog.pg_sleep(0.01) FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_locks AS l ON l.transactionid = i.xmax
    WHERE i.indexrelid = ${oid} AND l.locktype = 'transactionid' AND l.granted`;
  while ((await session.rows(isChanging)).length > 0);
}

/** Runs a query in a search path in which other roles cannot define operators or functions. */
function inCatalog<Row extends pg.QueryResultRow>(session: Session, query: string): Promise<Row[]> {
  return session.lastRows<Row>(`SET LOCAL search_path = ${ENGINE_PATH}; ${query}`);
}

/** A `CREATE INDEX CONCURRENTLY`. Names are as written in the SQL. */
interface ConcurrentIndex {
  /** Absent when the server is to choose a name. */
  readonly name: string | undefined;
  /** The parts of the name: schema and table, or the table alone. */
  readonly table: readonly string[];
  readonly ifNotExists: boolean;
}

export function parseConcurrentIndex(statement: string): ConcurrentIndex | undefined {
  const [tokens = []] = statementTokens(statement);
  const words = new Words(statement, tokens);
  if (!words.take("create")) return undefined;
  words.take("unique");
  if (!words.take("index") || !words.take("concurrently")) return undefined;
  const ifNotExists = words.take("if") && words.take("not") && words.take("exists");
  const name = words.take("on") ? undefined : words.name()[0];
  if (name !== undefined && !words.take("on")) return undefined;
  words.take("only");
  const table = words.name();
  return table.length === 0 ? undefined : { name, table, ifNotExists };
}

class Words {
  readonly #sql: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(sql: string, tokens: readonly Token[]) {
    this.#sql = sql;
    this.#tokens = tokens;
  }

  take(keyword: string): boolean {
    const matches = isKeyword(this.#sql, this.#tokens[this.#at], keyword);
    if (matches) this.#at += 1;
    return matches;
  }

  /** The parts of a qualified name; empty if there is no identifier at this place. */
  name(): string[] {
    const parts: string[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token === undefined || (token.kind !== "word" && token.kind !== "quoted")) return [];
      this.#at += 1;
      parts.push(this.#text(token) + this.#escape());
      if (this.#text(this.#tokens[this.#at]) !== ".") return parts;
      this.#at += 1;
    }
  }

  /** The UESCAPE clause after U&"...". */
  #escape(): string {
    const string = this.#tokens[this.#at + 1];
    return this.take("uescape") && string !== undefined
      ? ` UESCAPE ${this.#text(this.#tokens[this.#at++])}`
      : "";
  }

  #text(token: Token | undefined): string {
    return token === undefined ? "" : this.#sql.slice(token.start, token.end);
  }
}

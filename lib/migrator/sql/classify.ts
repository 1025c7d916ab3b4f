import { hasWords, isKeyword, type Token } from "./lexer.ts";
import { someStatement, splitStatements, statementTokens } from "./split.ts";

export type TransactionControl = "begin" | "commit" | "rollback";

/**
 * Beginnings of statements that commit on their own before they are done, or do what no rollback undoes.
 * - CALL, DO: the code may hold COMMIT.
 * - REINDEX: a transaction for each index; REINDEX CONCURRENTLY leaves an invalid one (`..._ccnew`) when it fails.
 * - CREATE/DROP INDEX CONCURRENTLY: leave an invalid index.
 * - databases and tablespaces: files, and a DROP DATABASE that is cut short leaves an invalid database.
 * - subscriptions: replication slots on another server.
 * Everything else is atomic, among it REFRESH MATERIALIZED VIEW CONCURRENTLY, ALTER TYPE ... ADD VALUE,
 * ALTER SYSTEM and DETACH PARTITION ... FINALIZE. VACUUM, ANALYZE and CLUSTER work table by table, but whatever
 * they finished is nothing that anybody would have to settle.
 */
const RESIDUE_BEGINNINGS: readonly (readonly string[])[] = [
  ["call"],
  ["do"],
  ["reindex"],
  ["create", "index", "concurrently"],
  ["create", "unique", "index", "concurrently"],
  ["drop", "index", "concurrently"],
  ["create", "database"],
  ["drop", "database"],
  ["create", "tablespace"],
  ["drop", "tablespace"],
  ["create", "subscription"],
  ["alter", "subscription"],
  ["drop", "subscription"],
];

/**
 * Whether a statement that fails outside a transaction block may have left a part of its work behind. When in
 * doubt, yes. Of a text with several statements: whether one of them may.
 */
export function mayLeaveResidue(statement: string): boolean {
  return someStatement(
    statement,
    (tokens) =>
      RESIDUE_BEGINNINGS.some((words) => hasWords(statement, tokens, 0, words)) ||
      detachesConcurrently(statement, tokens) ||
      movesDatabase(statement, tokens),
  );
}

/**
 * Whether SQL is one statement that works beside others (`... CONCURRENTLY`). It waits for other transactions to end
 * without keeping anybody waiting, and what it has done is thrown away when it gives up.
 */
export function isConcurrent(sql: string): boolean {
  // The tokens of a large text take many times its size.
  if (!/concurrently/i.test(sql)) return false;
  const [tokens = [], ...others] = statementTokens(sql);
  if (others.length > 0) return false;
  return (
    CONCURRENT_BEGINNINGS.some((words) => hasWords(sql, tokens, 0, words)) ||
    reindexesConcurrently(sql, tokens) ||
    detachesConcurrently(sql, tokens)
  );
}

const CONCURRENT_BEGINNINGS: readonly (readonly string[])[] = [
  ["create", "index", "concurrently"],
  ["create", "unique", "index", "concurrently"],
  ["drop", "index", "concurrently"],
  ["refresh", "materialized", "view", "concurrently"],
];

/** As a word after the kind, or as an option, which may say that it is not wanted. */
function reindexesConcurrently(sql: string, tokens: readonly Token[]): boolean {
  if (!isKeyword(sql, tokens[0], "reindex")) return false;
  const at = tokens.findIndex((token) => isKeyword(sql, token, "concurrently"));
  const value = tokens[at + 1];
  return at > 0 && (value === undefined || !/^('?(false|off)'?|0)$/i.test(sql.slice(value.start, value.end)));
}

/**
 * What a statement does to the transaction it stands in; of several statements, the first one counts. Neither
 * savepoints nor COMMIT/ROLLBACK PREPARED do anything to it. PREPARE TRANSACTION ends it: a commit to whoever
 * wants to go on inside of it.
 */
export function transactionControl(statement: string): TransactionControl | undefined {
  const tokens = statementTokens(statement)[0] ?? [];
  const starts = (...words: string[]) => hasWords(statement, tokens, 0, words);
  if (starts("begin") || starts("start", "transaction")) return "begin";
  if (starts("prepare", "transaction")) return "commit";
  if (isKeyword(statement, tokens[1], "prepared")) return undefined;
  if (starts("commit") || starts("end")) return "commit";
  if (starts("abort")) return "rollback";
  return starts("rollback") && !isToSavepoint(statement, tokens) ? "rollback" : undefined;
}

/** What a statement does to the transaction around it; the first that does something, of several statements. */
export function firstTransactionControl(sql: string): string | undefined {
  return splitStatements(sql).find(({ text }) => transactionControl(text) !== undefined)?.text;
}

/**
 * Whether SQL is about the transaction itself, without ending it: its savepoints, or its isolation. A savepoint put
 * around that would change what it means.
 */
export function concernsTransaction(sql: string): boolean {
  return someStatement(sql, (tokens) => {
    const starts = (...words: string[]) => hasWords(sql, tokens, 0, words);
    if (starts("savepoint") || starts("release") || starts("rollback")) return true;
    const name = tokens[isKeyword(sql, tokens[1], "local") || isKeyword(sql, tokens[1], "session") ? 2 : 1];
    return starts("set") && name !== undefined && /^transaction/i.test(sql.slice(name.start, name.end));
  });
}

function isToSavepoint(sql: string, tokens: readonly Token[]): boolean {
  const hasNoise = isKeyword(sql, tokens[1], "work") || isKeyword(sql, tokens[1], "transaction");
  return isKeyword(sql, tokens[hasNoise ? 2 : 1], "to");
}

/** CONCURRENTLY can only be last there, and DETACH PARTITION is an ALTER TABLE's only action. */
function detachesConcurrently(sql: string, tokens: readonly Token[]): boolean {
  return (
    hasWords(sql, tokens, 0, ["alter", "table"]) &&
    isKeyword(sql, tokens.at(-1), "concurrently") &&
    tokens.some((_, index) => hasWords(sql, tokens, index, ["detach", "partition"]))
  );
}

/** ALTER DATABASE name SET TABLESPACE copies files and commits in between; all its other forms are atomic. */
function movesDatabase(sql: string, tokens: readonly Token[]): boolean {
  return hasWords(sql, tokens, 0, ["alter", "database"]) && hasWords(sql, tokens, 3, ["set", "tablespace"]);
}

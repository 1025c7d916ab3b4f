import { hasWords, isKeyword, type Token } from "./lexer.ts";
import { someStatement, splitStatements, statementTokens } from "./split.ts";

export type TransactionControl = "begin" | "commit" | "rollback";

/**
 * Beginnings of statements that commit internally before they finish, or have effects that no rollback undoes.
 * - CALL, DO: the code may contain COMMIT.
 * - REINDEX: a transaction for each index; REINDEX CONCURRENTLY leaves an invalid one (`..._ccnew`) when it fails.
 * - CREATE/DROP INDEX CONCURRENTLY: leave an invalid index.
 * - databases and tablespaces: files; an interrupted DROP DATABASE leaves an invalid database.
 * - subscriptions: replication slots on another server.
 * Everything else is atomic, including REFRESH MATERIALIZED VIEW CONCURRENTLY, ALTER TYPE ... ADD VALUE,
 * ALTER SYSTEM and DETACH PARTITION ... FINALIZE. VACUUM, ANALYZE and CLUSTER work table by table, but nothing has to
 * be cleaned up after them.
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

/** Whether some statement, failing outside a transaction block, may leave part of its work behind. Errs towards yes. */
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
 * Whether SQL is a single `... CONCURRENTLY` statement. It waits for other transactions without blocking any, and its
 * work is lost when it gives up.
 */
export function isConcurrent(sql: string): boolean {
  // Fast path: the tokens of a large text take many times its size.
  if (!/concurrently/i.test(sql)) return false;
  const [tokens = [], ...others] = statementTokens(sql);
  if (others.length > 0) return false;
  return (
    CONCURRENT_BEGINNINGS.some((words) => hasWords(sql, tokens, 0, words)) ||
    reindexesConcurrently(sql, tokens) ||
    detachesConcurrently(sql, tokens)
  );
}

/** Whether a statement changes a setting of its session, which ends with the session: the next one needs it again. */
export function isSessionSetting(statement: string): boolean {
  const [tokens = []] = statementTokens(statement);
  return isKeyword(statement, tokens[0], "set") || isKeyword(statement, tokens[0], "reset");
}

const CONCURRENT_BEGINNINGS: readonly (readonly string[])[] = [
  ["create", "index", "concurrently"],
  ["create", "unique", "index", "concurrently"],
  ["drop", "index", "concurrently"],
  ["refresh", "materialized", "view", "concurrently"],
];

/** CONCURRENTLY follows the kind of object, or is an option that may be switched off. */
function reindexesConcurrently(sql: string, tokens: readonly Token[]): boolean {
  if (!isKeyword(sql, tokens[0], "reindex")) return false;
  const at = tokens.findIndex((token) => isKeyword(sql, token, "concurrently"));
  const value = tokens[at + 1];
  return at > 0 && (value === undefined || !/^('?(false|off)'?|0)$/i.test(sql.slice(value.start, value.end)));
}

/**
 * How the first statement of the text begins or ends the current transaction. Savepoints and COMMIT/ROLLBACK PREPARED
 * do neither. PREPARE TRANSACTION ends it, so it counts as a commit.
 */
export function transactionControl(statement: string): TransactionControl | undefined {
  const tokens = statementTokens(statement)[0] ?? [];
  const starts = (...words: string[]) => hasWords(statement, tokens, 0, words);
  if (starts("begin") || starts("start", "transaction")) return "begin";
  if (starts("prepare", "transaction")) return "commit";
  if (isKeyword(statement, tokens[1], "prepared")) return undefined;
  if (starts("commit") || starts("end")) return "commit";
  if (starts("abort")) return "rollback";
  return starts("rollback") && !isRollbackToSavepoint(statement, tokens) ? "rollback" : undefined;
}

/** The first statement that begins or ends the current transaction. */
export function firstTransactionControl(sql: string): string | undefined {
  return splitStatements(sql).find(({ text }) => transactionControl(text) !== undefined)?.text;
}

/** Whether SQL uses savepoints or sets the isolation level, so that a savepoint around it would change its meaning. */
export function concernsTransaction(sql: string): boolean {
  return someStatement(sql, (tokens) => {
    const starts = (...words: string[]) => hasWords(sql, tokens, 0, words);
    if (starts("savepoint") || starts("release") || starts("rollback")) return true;
    const name = tokens[isKeyword(sql, tokens[1], "local") || isKeyword(sql, tokens[1], "session") ? 2 : 1];
    return starts("set") && name !== undefined && /^transaction/i.test(sql.slice(name.start, name.end));
  });
}

function isRollbackToSavepoint(sql: string, tokens: readonly Token[]): boolean {
  const hasNoise = isKeyword(sql, tokens[1], "work") || isKeyword(sql, tokens[1], "transaction");
  return isKeyword(sql, tokens[hasNoise ? 2 : 1], "to");
}

/** CONCURRENTLY is always last, and DETACH PARTITION is always the only action of an ALTER TABLE. */
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

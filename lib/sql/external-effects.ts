import { hasWords, isKeyword, isMark, type Token } from "./lexer.ts";
import { statementTokens } from "./split.ts";

/** Lower-case names of functions, views and foreign tables, created by earlier SQL, that reach outside their database. */
export type ExternalNames = Set<string>;

/**
 * Finds what SQL does outside its own database: to roles, databases and settings of the server, to files, other
 * sessions and other servers. Returns it in SQL words, or undefined. Of code in strings only the body of a DO block
 * is read, because the effects of a function are not known before it runs.
 * @param names is extended by the functions, views and foreign tables created here that reach outside when used
 */
export function findExternalEffect(sql: string, names: ExternalNames = new Set()): string | undefined {
  for (const tokens of statementTokens(sql)) {
    const effect = serverEffect(sql, tokens) ?? effectOfRunning(sql, tokens, names);
    if (effect !== undefined) return effect;
  }
  return undefined;
}

/**
 * As `findExternalEffect`, for effects that stay when the transaction is rolled back. Roles, rights and settings of the
 * server are not among them: they are rolled back, or Postgres refuses to change them in a transaction.
 */
export function findLastingEffect(sql: string, names: ExternalNames = new Set()): string | undefined {
  return statementTokens(sql)
    .map((tokens) => effectOfRunning(sql, tokens, names))
    .find(isText);
}

/** Objects that belong to the server, not to a database. */
const SHARED = ["role", "user", "group", "database", "tablespace", "subscription"] as const;
const COMMENTED: readonly string[] = ["role", "database", "tablespace", "subscription"];
const GRANTED: readonly string[] = ["database", "tablespace", "parameter"];

function serverEffect(sql: string, tokens: readonly Token[]): string | undefined {
  const starts = (...words: string[]) => hasWords(sql, tokens, 0, words);
  const word = (index: number) => wordAt(sql, tokens, index);
  for (const verb of ["create", "alter", "drop"]) {
    const kind = SHARED.find((object) => starts(verb, object));
    if (kind !== undefined && !starts(verb, "user", "mapping")) return `${verb} ${kind}`.toUpperCase();
  }
  if (starts("alter", "system")) return "ALTER SYSTEM";
  if (starts("reassign", "owned")) return "REASSIGN OWNED";
  if (starts("drop", "owned")) return "DROP OWNED";
  if (starts("import", "foreign", "schema")) return "IMPORT FOREIGN SCHEMA";
  const on = tokens.findIndex((token) => isKeyword(sql, token, "on"));
  const object = on < 0 ? "" : word(on + 1);
  if (starts("comment") && COMMENTED.includes(object)) return `COMMENT ON ${object.toUpperCase()}`;
  if (starts("security", "label") && COMMENTED.includes(object))
    return `SECURITY LABEL ON ${object.toUpperCase()}`;
  if (!starts("grant") && !starts("revoke")) return undefined;
  const verb = word(0).toUpperCase();
  if (on < 0) return `${verb} of a role`;
  return GRANTED.includes(object) ? `${verb} … ON ${object.toUpperCase()}` : undefined;
}

/** Statements that run code or read rows. Defining a view or a function does neither. */
const RUNNING = [
  ..."select with insert update delete merge call values copy truncate table".split(" "),
  ..."explain prepare declare alter refresh".split(" "),
];

/** CREATE TABLE AS runs its query, and indexes, defaults and triggers call functions later. */
function definesOnly(sql: string, tokens: readonly Token[]): boolean {
  const words = tokens.slice(1, 5);
  const is = (word: string): boolean => words.some((token) => isKeyword(sql, token, word));
  if (is("function") || is("procedure")) return !is("trigger");
  return is("foreign") || (is("view") && !is("materialized"));
}

function effectOfRunning(sql: string, tokens: readonly Token[], names: ExternalNames): string | undefined {
  const first = wordAt(sql, tokens, 0);
  if (first === "do")
    return bodiesOf(sql, tokens)
      .map((body) => effectOfCode(body, names))
      .find(isText);
  if (first === "create") {
    rememberName(sql, tokens, names);
    return definesOnly(sql, tokens) ? undefined : usesName(sql, tokens, names);
  }
  if (!RUNNING.includes(first) && first !== "execute" && first !== "perform") return undefined;
  return usesName(sql, tokens, names) ?? copiesOut(sql, tokens);
}

/** In a routine body, statements follow BEGIN, THEN and so on, and EXECUTE runs strings. */
function effectOfCode(body: string, names: ExternalNames, depth = 0): string | undefined {
  const tokens = statementTokens(body).flat();
  const effect = usesName(body, tokens, names) ?? copiesOut(body, tokens);
  if (effect !== undefined || depth >= MAX_DEPTH) return effect;
  return bodiesOf(body, tokens)
    .map((inner) => effectOfCode(inner, names, depth + 1))
    .find(isText);
}

/** Strings inside strings. */
const MAX_DEPTH = 3;

function rememberName(sql: string, tokens: readonly Token[], names: ExternalNames): void {
  const isForeign = hasWords(sql, tokens, 0, ["create", "foreign", "table"]);
  const isRoutine = tokens
    .slice(1, 4)
    .some((token) => isKeyword(sql, token, "function") || isKeyword(sql, token, "procedure"));
  const view = tokens.findIndex((token, index) => index < 5 && isKeyword(sql, token, "view"));
  if (view > 0 && !isRoutine && usesName(sql, tokens.slice(view), names) !== undefined) {
    const name = nameAt(sql, tokens[isMarkAt(sql, tokens, view + 2, ".") ? view + 3 : view + 1]);
    if (name !== undefined) names.add(name);
  }
  if (!isForeign && !isRoutine) return;
  const name = objectName(sql, tokens, isForeign ? 3 : tokens.findIndex((token) => isMark(sql, token, "(")));
  if (name === undefined) return;
  const reaches =
    isForeign ||
    usesName(sql, tokens.slice(tokens.findIndex((token) => isMark(sql, token, ")")) + 1), names) !==
      undefined ||
    bodiesOf(sql, tokens).some((body) => effectOfCode(body, names) !== undefined);
  if (reaches) names.add(name);
}

/** The name of a foreign table starts at `at`; any other name ends before it. */
function objectName(sql: string, tokens: readonly Token[], at: number): string | undefined {
  if (isKeyword(sql, tokens[2], "table")) {
    const from = hasWords(sql, tokens, at, ["if", "not", "exists"]) ? at + 3 : at;
    return nameAt(sql, tokens[isMarkAt(sql, tokens, from + 1, ".") ? from + 2 : from]);
  }
  return nameAt(sql, tokens[at - 1]);
}

function isMarkAt(sql: string, tokens: readonly Token[], index: number, mark: string): boolean {
  const token = tokens[index];
  return token !== undefined && isMark(sql, token, mark);
}

function usesName(sql: string, tokens: readonly Token[], names: ExternalNames): string | undefined {
  for (const [index, token] of tokens.entries()) {
    const name = nameAt(sql, token);
    if (name === undefined) continue;
    const next = tokens[index + 1];
    const isCall = next !== undefined && isMark(sql, next, "(");
    if (isCall && EXTERNAL_FUNCTION.test(name)) return `${name}()`;
    if (names.has(name)) return isCall ? `${name}()` : name;
  }
  return undefined;
}

/** COPY to a file on the server, or to or from a program there. */
function copiesOut(sql: string, tokens: readonly Token[]): string | undefined {
  if (!tokens.some((token) => isKeyword(sql, token, "copy"))) return undefined;
  const target = (word: string): boolean =>
    tokens.some((token, index) => isKeyword(sql, token, word) && tokens[index + 1]?.kind === "string");
  if (target("program")) return "COPY … PROGRAM";
  return target("to") ? "COPY … TO a file" : undefined;
}

/** Functions of the server and of common extensions that have effects outside their database. */
const EXTERNAL_FUNCTION = new RegExp(
  `^(?:${[
    "dblink(?:_connect|_connect_u|_exec|_open|_send_query)?",
    "postgres_fdw_disconnect(?:_all)?",
    "lo_export",
    "pg_file_(?:write|rename|unlink|sync)",
    "pg_(?:terminate|cancel)_backend",
    "pg_reload_conf",
    "pg_(?:rotate_logfile|logfile_rotate)",
    "pg_promote",
    "pg_switch_wal",
    "pg_create_restore_point",
    "pg_(?:backup_start|backup_stop|start_backup|stop_backup)",
    "pg_wal_replay_(?:pause|resume)",
    "pg_(?:create|copy)_(?:physical|logical)_replication_slot",
    "pg_(?:drop_replication_slot|replication_slot_advance|sync_replication_slots)",
    "pg_replication_origin_\\w+",
    "pg_stat_reset_(?:shared|slru|replication_slot|subscription_stats|backend_stats)",
    "pg_stat_statements_reset",
    "http(?:_get|_post|_put|_patch|_delete)",
    "query_export_to_s3",
  ].join("|")})$`,
);

/** The contents of the string literals. */
function bodiesOf(sql: string, tokens: readonly Token[]): string[] {
  return tokens
    .filter(({ kind }) => kind === "string")
    .map(({ start, end }) => unquoted(sql.slice(start, end)));
}

function unquoted(literal: string): string {
  const [tag = ""] = /^\$[^$]*\$/.exec(literal) ?? [];
  if (tag !== "") return literal.slice(tag.length, -tag.length);
  return literal.slice(literal.indexOf("'") + 1, -1).replaceAll("''", "'");
}

function wordAt(sql: string, tokens: readonly Token[], index: number): string {
  const token = tokens[index];
  return token?.kind === "word" ? sql.slice(token.start, token.end).toLowerCase() : "";
}

function nameAt(sql: string, token: Token | undefined): string | undefined {
  if (token?.kind === "word") return sql.slice(token.start, token.end).toLowerCase();
  return token?.kind === "quoted" ? sql.slice(token.start + 1, token.end - 1).toLowerCase() : undefined;
}

function isText(value: string | undefined): boolean {
  return value !== undefined;
}

import { hasWords, isKeyword, isMark, type Token } from "./lexer.ts";
import { statementTokens } from "./split.ts";

/**
 * Names of functions and foreign tables that reach outside of their database, as far as the SQL seen so far has made
 * them. In small letters.
 */
export type OutsideNames = Set<string>;

/**
 * What a text of SQL does outside of the database it runs in, in words of SQL: to the roles, databases and settings
 * of its server, to files, other sessions and other servers. Undefined when nothing of that kind is found. Of code
 * in strings only the body of a DO block is read: what functions do to the server is known only when they run.
 * @param names gets the functions and foreign tables that the text makes, and that reach outside when they are used
 */
export function actsOutside(sql: string, names: OutsideNames = new Set()): string | undefined {
  for (const tokens of statementTokens(sql)) {
    const found = statementOutside(sql, tokens) ?? reachesOut(sql, tokens, names);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Objects that belong to the server, not to one database. */
const SHARED = ["role", "user", "group", "database", "tablespace", "subscription"] as const;
const COMMENTED: readonly string[] = ["role", "database", "tablespace", "subscription"];
const GRANTED: readonly string[] = ["database", "tablespace", "parameter"];

function statementOutside(sql: string, tokens: readonly Token[]): string | undefined {
  const starts = (...words: string[]) => hasWords(sql, tokens, 0, words);
  const word = (index: number) => wordAt(sql, tokens, index);
  for (const verb of ["create", "alter", "drop"]) {
    const kind = SHARED.find((one) => starts(verb, one));
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

/** What runs code or reads rows; the definition of a view or a function does neither. */
const RUNS = [
  ..."select with insert update delete merge call values copy truncate table".split(" "),
  ..."explain prepare declare alter refresh".split(" "),
];

/** Tables are filled by CREATE TABLE AS, and indexes, defaults and triggers call functions later on. */
function definesOnly(sql: string, tokens: readonly Token[]): boolean {
  const words = tokens.slice(1, 5);
  const is = (word: string): boolean => words.some((token) => isKeyword(sql, token, word));
  if (is("function") || is("procedure")) return !is("trigger");
  return is("foreign") || (is("view") && !is("materialized"));
}

function reachesOut(sql: string, tokens: readonly Token[], names: OutsideNames): string | undefined {
  const first = wordAt(sql, tokens, 0);
  if (first === "do")
    return bodiesOf(sql, tokens)
      .map((body) => reachesOutInCode(body, names))
      .find(isText);
  if (first === "create") {
    remember(sql, tokens, names);
    return definesOnly(sql, tokens) ? undefined : usesName(sql, tokens, names);
  }
  if (!RUNS.includes(first) && first !== "execute" && first !== "perform") return undefined;
  return usesName(sql, tokens, names) ?? copiesOut(sql, tokens);
}

/** In a body of code, where statements stand behind BEGIN, THEN and the like, and strings are run by EXECUTE. */
function reachesOutInCode(body: string, names: OutsideNames, depth = 0): string | undefined {
  const [tokens] = [statementTokens(body).flat()];
  const found = usesName(body, tokens, names) ?? copiesOut(body, tokens);
  if (found !== undefined || depth >= DEEPEST) return found;
  return bodiesOf(body, tokens)
    .map((inner) => reachesOutInCode(inner, names, depth + 1))
    .find(isText);
}

/** Strings in strings in strings. */
const DEEPEST = 3;

function remember(sql: string, tokens: readonly Token[], names: OutsideNames): void {
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
    bodiesOf(sql, tokens).some((body) => reachesOutInCode(body, names) !== undefined);
  if (reaches) names.add(name);
}

/** The name that ends before the token `end`, or that of a foreign table, which starts at it. */
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

function usesName(sql: string, tokens: readonly Token[], names: OutsideNames): string | undefined {
  for (const [index, token] of tokens.entries()) {
    const name = nameAt(sql, token);
    if (name === undefined) continue;
    const next = tokens[index + 1];
    const isCall = next !== undefined && isMark(sql, next, "(");
    if (isCall && OUTSIDE_FUNCTION.test(name)) return `${name}()`;
    if (names.has(name)) return isCall ? `${name}()` : name;
  }
  return undefined;
}

/** COPY to a file of the server, or to or from a program there. */
function copiesOut(sql: string, tokens: readonly Token[]): string | undefined {
  if (!tokens.some((token) => isKeyword(sql, token, "copy"))) return undefined;
  const target = (word: string): boolean =>
    tokens.some((token, index) => isKeyword(sql, token, word) && tokens[index + 1]?.kind === "string");
  if (target("program")) return "COPY … PROGRAM";
  return target("to") ? "COPY … TO a file" : undefined;
}

/** The server's own functions, and those of its usual extensions, that do something to others. */
const OUTSIDE_FUNCTION = new RegExp(
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

/** What the strings among the tokens hold. */
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

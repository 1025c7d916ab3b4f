import type { Session } from "../connection/session.ts";
import { isKeyword, type Token } from "../sql/lexer.ts";
import { statementTokens } from "../sql/split.ts";

/**
 * Drops what a broken try of this very `CREATE INDEX CONCURRENTLY` left behind: an invalid index of the same name on
 * the same table that nobody is building now. Without that, the next try fails on its name, or, with `IF NOT EXISTS`,
 * succeeds and leaves the invalid index in place.
 */
export async function dropInvalidIndex(session: Session, statement: string): Promise<void> {
  const index = parseConcurrentIndex(statement);
  if (index === undefined) return;
  const rows = await session.rows<{ name: string }>(
    `SELECT i.indexrelid::pg_catalog.regclass::text AS name
     FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
     WHERE NOT i.indisvalid AND i.indrelid = pg_catalog.to_regclass($1)
       AND c.relname = (pg_catalog.parse_ident($2))[1]
       AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_create_index AS p WHERE p.index_relid = c.oid)`,
    [index.table, index.name],
  );
  for (const { name } of rows) await session.run(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
}

interface ConcurrentIndex {
  readonly name: string;
  /** As written, qualified or not. */
  readonly table: string;
}

/** Name and table of a `CREATE INDEX CONCURRENTLY` that has both; Postgres numbers unnamed ones anew each time. */
export function parseConcurrentIndex(statement: string): ConcurrentIndex | undefined {
  const [tokens = []] = statementTokens(statement);
  const words = new Words(statement, tokens);
  if (!words.take("create")) return undefined;
  words.take("unique");
  if (!words.take("index") || !words.take("concurrently")) return undefined;
  if (words.take("if")) {
    words.take("not");
    words.take("exists");
  }
  const name = words.name();
  if (name === undefined || !words.take("on")) return undefined;
  words.take("only");
  const table = words.name();
  return table === undefined ? undefined : { name, table };
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
    const found = isKeyword(this.#sql, this.#tokens[this.#at], keyword);
    if (found) this.#at += 1;
    return found;
  }

  /** An identifier, or several joined by dots. */
  name(): string | undefined {
    const parts: string[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token === undefined || (token.kind !== "word" && token.kind !== "quoted")) return undefined;
      if (parts.length === 0 && isKeyword(this.#sql, token, "on")) return undefined;
      parts.push(this.#sql.slice(token.start, token.end));
      this.#at += 1;
      const next = this.#tokens[this.#at];
      if (next === undefined || this.#sql.slice(next.start, next.end) !== ".") return parts.join(".");
      this.#at += 1;
    }
  }
}

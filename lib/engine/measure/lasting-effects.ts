import type pg from "pg";
import { MigrationError } from "../../core/index.ts";
import type { Session } from "../../postgres/index.ts";
import { type ExternalNames, findLastingEffect } from "../../sql/index.ts";
import type { MigrationQuery } from "../queries.ts";
import { inSavepoint } from "./savepoint.ts";

/**
 * Finds statements that a rollback would not undo, before they run. It reads the statement and, where rows are written,
 * its plan: the code of functions and triggers that exist already stays unread.
 */
export class LastingEffects {
  readonly #session: Session;
  /** Sees what is committed only. */
  readonly #outside: pg.Client;
  readonly #names: ExternalNames = new Set();

  constructor(session: Session, outside: pg.Client) {
    this.#session = session;
    this.#outside = outside;
  }

  /** The effect in SQL words; undefined when nothing stays after a rollback. */
  async of({ text, values }: Pick<MigrationQuery, "text" | "values">): Promise<string | undefined> {
    const external = findLastingEffect(text, this.#names);
    if (external !== undefined) return external;
    if (!runsNow(text)) return undefined;
    const called = [...text.matchAll(LASTING_CALL)].map(([, name = ""]) => name.toLowerCase());
    const other = called.find((name) => name !== "nextval" && name !== "setval");
    if (other !== undefined) return `${other}()`;
    const [first] = called;
    if (first !== undefined) return (await this.#useOwnSequences(text)) ? undefined : `${first}()`;
    if (!/^(?:insert|update|merge|with)\b/i.test(text)) return undefined;
    const plan = await this.#explain(text, values);
    return (await this.#useOwnSequences(plan)) ? undefined : "nextval()";
  }

  /** The plan names the sequences of defaults and identity columns. A statement that has no plan fails by itself. */
  async #explain(text: string, values: unknown[] | undefined): Promise<string> {
    const query = { text: `EXPLAIN (VERBOSE, COSTS OFF) ${text}`, ...(values && { values }) };
    return inSavepoint(this.#session, async () => {
      const { rows } = await this.#session.queryMigration<{ "QUERY PLAN": string }>(query);
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    }).catch(unless("", isRefusal));
  }

  /** Whether all sequences that the text draws from were made by the measured migrations: they are rolled back. */
  async #useOwnSequences(text: string): Promise<boolean> {
    const calls = [...text.matchAll(/\b(?:nextval|setval)\s*\(\s*(?:'((?:[^']|'')+)')?/gi)];
    for (const [, name] of calls) {
      if (name === undefined || (await this.#isCommitted(name.replaceAll("''", "'")))) return false;
    }
    return true;
  }

  async #isCommitted(name: string): Promise<boolean> {
    const resolving = inSavepoint(this.#session, () =>
      this.#session.rows<{ oid: number | null }>(
        "SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid AS oid",
        [name],
      ),
    );
    const [found] = await resolving.catch(unless([], isRefusal));
    const { rows } = await this.#outside.query("SELECT 1 FROM pg_catalog.pg_class WHERE oid = $1", [
      found?.oid ?? 0,
    ]);
    return rows.length > 0;
  }
}

/** Functions whose effect stays, and is inside the database. */
const LASTING_CALL = /\b(nextval|setval|pg_stat_reset\w*|pg_logical_emit_message)\s*\(/gi;

/** Whether expressions in the statement are evaluated when it runs: a default or a view only keeps them. */
function runsNow(text: string): boolean {
  if (/^create\s+(?:\w+\s+)*?(?:table|materialized\s+view)\b/i.test(text)) return QUERY.test(text);
  if (/^alter\s+table\b/i.test(text)) return !/\bset\s+default\b/i.test(text);
  return !/^(?:create|alter|drop|comment|grant|revoke|set|reset)\b/i.test(text);
}

/** The query of CREATE TABLE … AS, and not a generated column. */
const QUERY = /\bas\s*\(*\s*(?:select|with|values|table|execute)\b/i;

function isRefusal(error: unknown): boolean {
  return error instanceof MigrationError && error.code === "SQL";
}

function unless<T>(value: T, isExpected: (error: unknown) => boolean) {
  return (error: unknown): T => {
    if (isExpected(error)) return value;
    throw error;
  };
}

import { isConcurrent } from "./classify.ts";
import { statementTokens } from "./split.ts";
import { StatementWords } from "./statement-words.ts";

/** The parts of a name as written in the SQL: schema and name, or the name alone. */
export type NameParts = readonly string[];

/** A `CREATE INDEX CONCURRENTLY`. */
export interface IndexBuild {
  readonly kind: "create-index";
  /** Absent when the server is to choose a name. */
  readonly name: string | undefined;
  readonly table: NameParts;
  readonly ifNotExists: boolean;
}

/** A concurrent statement after which the catalog tells whether it took effect. */
export type TraceableStatement =
  | IndexBuild
  | { readonly kind: "drop-index"; readonly index: NameParts }
  | { readonly kind: "detach"; readonly table: NameParts; readonly partition: NameParts };

/**
 * Reads a concurrent statement. Undefined for those that leave no trace of having run: REFRESH changes nothing but rows,
 * and REINDEX may be about many indexes.
 */
export function readTraceable(statement: string): TraceableStatement | undefined {
  if (!isConcurrent(statement)) return undefined;
  return readIndexBuild(statement) ?? readIndexDrop(wordsOf(statement)) ?? readDetach(wordsOf(statement));
}

export function readIndexBuild(statement: string): IndexBuild | undefined {
  const words = wordsOf(statement);
  if (!words.take("create")) return undefined;
  words.take("unique");
  if (!words.take("index") || !words.take("concurrently")) return undefined;
  const ifNotExists = words.take("if") && words.take("not") && words.take("exists");
  const name = words.take("on") ? undefined : words.name()[0];
  if (name !== undefined && !words.take("on")) return undefined;
  words.take("only");
  const table = words.name();
  return table.length === 0 ? undefined : { kind: "create-index", name, table, ifNotExists };
}

function readIndexDrop(words: StatementWords): TraceableStatement | undefined {
  if (!words.take("drop") || !words.take("index") || !words.take("concurrently")) return undefined;
  if (words.take("if")) words.take("exists");
  const index = words.name();
  return index.length === 0 ? undefined : { kind: "drop-index", index };
}

function readDetach(words: StatementWords): TraceableStatement | undefined {
  if (!words.take("alter") || !words.take("table")) return undefined;
  if (words.take("if")) words.take("exists");
  const table = words.name();
  if (table.length === 0 || !words.take("detach") || !words.take("partition")) return undefined;
  const partition = words.name();
  return partition.length === 0 ? undefined : { kind: "detach", table, partition };
}

function wordsOf(statement: string): StatementWords {
  const [tokens = []] = statementTokens(statement);
  return new StatementWords(statement, tokens);
}

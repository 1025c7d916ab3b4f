import { statementTokens } from "./split.ts";

/** What SQL takes away under its present name, by dropping or renaming it. */
export interface DroppedName {
  /** A table or a view, without its schema. */
  readonly table: string;
  /** Absent when the whole table goes. */
  readonly column?: string;
}

/** The tables and columns that `DROP` and `ALTER TABLE … DROP` or `RENAME` name. Code inside of strings is not read. */
export function droppedNames(sql: string): readonly DroppedName[] {
  return statementTokens(sql).flatMap((tokens) => {
    const words = tokens.map(({ kind, start, end }) => {
      const text = sql.slice(start, end);
      return kind === "word" ? text.toLowerCase() : text;
    });
    const [first, second, third] = words;
    if (first === "drop" && (second === "table" || second === "view")) return listOf(words.slice(2));
    if (first === "drop" && second === "materialized" && third === "view") return listOf(words.slice(3));
    return first === "alter" && second === "table" ? inAlterTable(words.slice(2)) : [];
  });
}

/** The names behind DROP TABLE. */
function listOf(words: readonly string[]): DroppedName[] {
  return splitAtCommas(withoutNoise(words)).flatMap((part) => {
    const { name } = nameAt(part);
    return name === undefined ? [] : [{ table: name }];
  });
}

function inAlterTable(words: readonly string[]): DroppedName[] {
  const { name: table, rest } = nameAt(withoutNoise(words));
  if (table === undefined) return [];
  return splitAtCommas(rest).flatMap((action) => {
    const [verb, next] = action;
    if (verb === "rename" && next === "to") return [{ table }];
    const isColumn = (verb === "drop" || verb === "rename") && next !== "constraint";
    if (!isColumn) return [];
    const { name: column } = nameAt(withoutNoise(action.slice(next === "column" ? 2 : 1)));
    return column === undefined ? [] : [{ table, column }];
  });
}

/** Without the optional words before a name. */
function withoutNoise(words: readonly string[]): readonly string[] {
  const [first, second, ...rest] = words;
  if (first === "if" && second === "exists") return withoutNoise(rest);
  return first === "only" ? words.slice(1) : words;
}

/** The name that begins here, without the schema before it. */
function nameAt(words: readonly string[]): {
  readonly name: string | undefined;
  readonly rest: readonly string[];
} {
  let end = 1;
  while (words[end] === ".") end += 2;
  const last = words[end - 1];
  const isName = last !== undefined && /^[\p{L}_"]/u.test(last);
  const name = last?.startsWith('"') ? last.slice(1, -1).replaceAll('""', '"') : last;
  return { name: isName ? name : undefined, rest: words.slice(end) };
}

/** Commas inside of parentheses do not separate. */
function splitAtCommas(words: readonly string[]): string[][] {
  const parts: string[][] = [[]];
  let depth = 0;
  for (const word of words) {
    if (word === "(") depth += 1;
    if (word === ")") depth -= 1;
    if (word === "," && depth === 0) parts.push([]);
    else parts.at(-1)?.push(word);
  }
  return parts;
}

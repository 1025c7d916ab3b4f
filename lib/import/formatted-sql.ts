import { type Section, section, withSemicolons } from "./sql-text.ts";
import { type SqlContent, sqlContent, type Unconvertible, unconvertible } from "./tool.ts";

/** A changeSet of one of Liquibase's files of SQL. */
export interface ChangeSet {
  readonly id: string;
  readonly author: string;
  /** Its own name for its file, if it has one. */
  readonly logicalFile: string | undefined;
  readonly content: SqlContent | Unconvertible;
  readonly notes: readonly string[];
}

const HEADER = /^\s*--\s*liquibase\s*formatted.*$/i;

/** The changeSets of a file that Postgres runs, in their order. A file without Liquibase's header is a single one. */
export function readChangeSets(text: string): ChangeSet[] {
  const header = HEADER.exec(text.trimStart().split("\n", 1)[0] ?? "")?.[0];
  if (header === undefined) return [readPlainFile(text)];
  return readBlocks(text)
    .filter(isForPostgres)
    .map((block) => ({
      id: block.id,
      author: block.author,
      logicalFile: attribute(block.attributes, "logicalFilePath") ?? attribute(header, "logicalFilePath"),
      content: convert(block),
      notes: notesOf(block),
    }));
}

function readPlainFile(text: string): ChangeSet {
  const content = placeholderIn(text) ?? sqlContent(section(text));
  return { id: "raw", author: "includeAll", logicalFile: undefined, content, notes: [] };
}

/** Lines of a changeSet, as they are read. */
interface Block {
  readonly id: string;
  readonly author: string;
  /** What follows author and id in its first line. */
  readonly attributes: string;
  readonly body: string[];
  readonly rollback: string[];
  hasPreconditions: boolean;
  hasIgnoredLines: boolean;
}

/** A rollback that is said to be empty is allowed, and does nothing. */
export const EMPTY_ROLLBACK = "-- Its rollback in Liquibase was empty.";

const CHANGE_SET = /^\s*--\s*changeset\s+("[^"]+"|[^:]+):\s*("[^"]+"|\S+)(.*)$/i;
const ROLLBACK = /^\s*--\s*rollback (.*)$/i;
const ROLLBACK_BEGIN = /^\s*\/\*\s*liquibase\s*rollback\s*$/i;
const COMMENT = /^--\s*comment:? (.*)$/i;
const PRECONDITION = /^\s*--\s*preconditions?\b/i;
const IGNORED_LINES = /^--\s*ignoreLines:/i;
const CHECKSUM = /^--\s*validCheckSum\b/i;

function readBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  let inRollback = false;
  for (const line of text.split("\n")) {
    const [, author, id, attributes = ""] = CHANGE_SET.exec(line) ?? [];
    const block = blocks.at(-1);
    if (author !== undefined && id !== undefined) {
      blocks.push({
        id: unquoted(id),
        author: unquoted(author),
        attributes,
        body: [],
        rollback: [],
        hasPreconditions: false,
        hasIgnoredLines: false,
      });
    } else if (block !== undefined && inRollback) {
      block.rollback.push(line.replace(/\*\/\s*$/, ""));
      inRollback = !/\*\/\s*$/.test(line);
    } else if (block !== undefined && ROLLBACK_BEGIN.test(line)) inRollback = true;
    else if (block !== undefined) readLine(block, line);
  }
  return blocks;
}

function readLine(block: Block, line: string): void {
  const [, rollback] = ROLLBACK.exec(line) ?? [];
  const [, comment] = COMMENT.exec(line) ?? [];
  if (rollback !== undefined) block.rollback.push(rollback);
  else if (comment !== undefined) block.body.push(`-- ${comment}`);
  else if (PRECONDITION.test(line)) block.hasPreconditions = true;
  else if (IGNORED_LINES.test(line)) block.hasIgnoredLines = true;
  else if (!CHECKSUM.test(line)) block.body.push(line);
}

function attribute(attributes: string, name: string): string | undefined {
  const value = new RegExp(`\\b${name}:\\s*("[^"]*"|\\S*)`, "i").exec(attributes)?.[1];
  return value === undefined || value === "" ? undefined : unquoted(value);
}

function unquoted(text: string): string {
  return text.replace(/^"(.*)"$/, "$1");
}

/** A changeSet for other databases, or one that is switched off, is never recorded. */
function isForPostgres({ attributes }: Block): boolean {
  if (attribute(attributes, "ignore") === "true") return false;
  const names = (attribute(attributes, "dbms") ?? "all").toLowerCase().split(/\s*,\s*/);
  if (names.includes("none") || names.includes("!postgresql")) return false;
  return names.some((name) => name === "all" || name === "postgresql" || name.startsWith("!"));
}

function convert(block: Block): SqlContent | Unconvertible {
  const { attributes, body, rollback } = block;
  const context = attribute(attributes, "contextFilter") ?? attribute(attributes, "context");
  if (context !== undefined)
    return unconvertible(`it runs only in the context ${context}, which has no counterpart here`);
  const program = attribute(attributes, "runWith");
  if (program !== undefined) return unconvertible(`Liquibase runs it with ${program}`);
  if (block.hasIgnoredLines) return unconvertible("it has ignoreLines");
  const [up, down] = [body.join("\n"), rollback.join("\n").trim()];
  const placeholder = placeholderIn(up + down);
  if (placeholder !== undefined) return placeholder;
  if (/^changesetId:/i.test(down)) return unconvertible("its rollback is another changeSet");
  const undo = /^(?:empty|not required)\b/i.test(down) ? EMPTY_ROLLBACK : down;
  return sqlContent(
    sectionOf(block, up, attribute(attributes, "endDelimiter")),
    sectionOf(block, undo, attribute(attributes, "rollbackEndDelimiter")),
  );
}

function placeholderIn(sql: string): Unconvertible | undefined {
  const placeholder = /\$\{[^}\s]+\}/.exec(sql)?.[0];
  if (placeholder === undefined) return undefined;
  return unconvertible(`it has the placeholder ${placeholder}, which Liquibase replaces`);
}

function sectionOf({ attributes }: Block, sql: string, delimiter: string | undefined): Section {
  const isTransactional = attribute(attributes, "runInTransaction") !== "false";
  // A slash alone in the last line is one even if the changeSet does not name it.
  const implied = /\n\/\s*$/.test(sql) ? "/" : ";";
  const end = delimiter?.replace(/^\\n/, "") ?? implied;
  return section(end === ";" ? sql : withSemicolons(sql, end), isTransactional);
}

function notesOf({ attributes, hasPreconditions }: Block): string[] {
  const is = (name: string, value: string) => attribute(attributes, name) === value;
  return [
    ...(hasPreconditions ? ["Preconditions are not checked here"] : []),
    ...(is("runOnChange", "true")
      ? ["Liquibase ran these again after a change, which is a new migration here"]
      : []),
    ...(is("runAlways", "true") ? ["Liquibase ran these on every update, and here they run once"] : []),
    ...(is("failOnError", "false") ? ["Liquibase ignored errors of these, which fail the run here"] : []),
    ...(attribute(attributes, "labels") === undefined
      ? []
      : ["Labels select nothing here, all of these run"]),
  ];
}

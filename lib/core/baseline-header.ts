import { createHash } from "node:crypto";
import { MigrationError } from "./errors.ts";
import type { ManifestMigration } from "./migration.ts";

/** A migration whose file was replaced by a baseline, which `squash` wrote. */
export interface ReplacedMigration {
  readonly name: string;
  /** Version and beginning of the digest of its SQL; undefined where the SQL differs from build to build. */
  readonly sqlDigest: string | undefined;
  /** What it replaced itself, if it was a baseline. */
  readonly replaces: readonly ReplacedMigration[];
}

/** What the digest of a migration's SQL is called in a header. */
export function shortSqlDigest(version: number, digest: string): string {
  return `${version}:${digest.slice(0, 16)}`;
}

/** The header of a baseline: one line for each migration that it replaces, behind a line that seals the list. */
export function baselineHeader(replaces: readonly ReplacedMigration[]): string[] {
  const lines = replaces.flatMap((one) => lineOf(one, ""));
  return [`-- migrate: baseline of ${lines.length}, list ${sealOf(lines)}`, ...lines];
}

function lineOf({ name, sqlDigest, replaces }: ReplacedMigration, depth: string): string[] {
  const line = `-- migrate: replaces ${depth}${depth === "" ? "" : " "}${sqlDigest ?? "-"} ${name}`;
  return [line, ...replaces.flatMap((one) => lineOf(one, `${depth}>`))];
}

const DIRECTIVE = /^--\s*migrate:\s*(?:baseline of|replaces)\b/i;

/** Whether a comment belongs to the header of a baseline. */
export function isBaselineDirective(comment: string): boolean {
  return DIRECTIVE.test(comment);
}

/** The header of a baseline as its lines; empty for any other migration. Only comments at the top of a file count. */
export function readBaselineHeader(text: string): readonly string[] {
  const lines: string[] = [];
  for (const match of text.matchAll(/[^\r\n]+/g)) {
    const line = match[0].replace(/^\uFEFF/, "").trimEnd();
    if (line.trim() !== "" && !line.startsWith("--")) break;
    if (DIRECTIVE.test(line)) lines.push(line);
  }
  return lines;
}

const SEAL = /^-- migrate: baseline of (\d+), list ([0-9a-f]{16})$/;
const LINE = /^-- migrate: replaces (>* ?)(-|\d+:[0-9a-f]{16}) (.+)$/;

/**
 * Reads the header of a baseline.
 * @throws MigrationError `MIGRATION` when the list is not one that `squash` wrote
 */
export function parseBaselineHeader(name: string, header: readonly string[]): readonly ReplacedMigration[] {
  const [first = "", ...lines] = header;
  if (header.length === 0) return [];
  const [, count, seal] = SEAL.exec(first) ?? [];
  if (count === undefined) throw wrongHeader(name, `begins with "${first}"`);
  if (Number(count) !== lines.length) throw wrongHeader(name, `says ${count} and has ${lines.length} names`);
  if (seal !== sealOf(lines)) throw wrongHeader(name, "was edited");
  const rows = lines.map((line) => {
    const [, marks = "", sqlDigest, replaced] = LINE.exec(line) ?? [];
    if (sqlDigest === undefined || replaced === undefined) throw wrongHeader(name, `has "${line}"`);
    return {
      depth: marks.trim().length,
      sqlDigest: sqlDigest === "-" ? undefined : sqlDigest,
      name: replaced,
    };
  });
  const names = new Set([name, ...rows.map((row) => row.name)]);
  if (names.size !== rows.length + 1) throw wrongHeader(name, "names a migration twice");
  return treeOf(rows, 0);
}

interface HeaderRow extends Omit<ReplacedMigration, "replaces"> {
  readonly depth: number;
}

/** The rows below a row, up to the next one at its depth, are what it replaced. */
function treeOf(rows: readonly HeaderRow[], depth: number): readonly ReplacedMigration[] {
  return rows.flatMap((row, index) => {
    if (row.depth !== depth) return [];
    const rest = rows.slice(index + 1);
    const end = rest.findIndex((next) => next.depth <= depth);
    const below = end < 0 ? rest : rest.slice(0, end);
    return [{ name: row.name, sqlDigest: row.sqlDigest, replaces: treeOf(below, depth + 1) }];
  });
}

/** All names in a list of replaced migrations. */
export function replacedNames(replaces: readonly ReplacedMigration[]): readonly string[] {
  return replaces.flatMap((one) => [one.name, ...replacedNames(one.replaces)]);
}

/** Names of the migrations that the baselines of a manifest replace. */
export function replacedBy(migrations: readonly ManifestMigration[]): ReadonlySet<string> {
  return new Set(
    migrations.flatMap(({ name, baseline = [] }) => replacedNames(parseBaselineHeader(name, baseline))),
  );
}

/** Line endings do not count: git may change them. */
function sealOf(lines: readonly string[]): string {
  return createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 16);
}

function wrongHeader(name: string, what: string): MigrationError {
  return new MigrationError("MIGRATION", `the list of what ${name} replaces ${what}`, {
    migration: name,
    hint: "Only squash writes this list. Bring the file back as it was committed, or squash again.",
  });
}

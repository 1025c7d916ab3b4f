import { readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type {
  Direction,
  DownForecast,
  Forecast,
  Migration,
  MigrationSource,
  PlanStep,
} from "../../core/index.ts";
import { asPlainSql } from "../../sql/index.ts";
import type { DatabaseFacts } from "./database-facts.ts";
import type { Created } from "./objects.ts";
import { type ParsedSql, type Parser, parseSteps } from "./parsed-sql.ts";
import type { MigrationFile } from "./report.ts";

export interface LintRequest {
  /** What the migrations would send. */
  readonly forecast: Forecast;
  /** Whether the forecast includes applied migrations. @default false */
  readonly all?: boolean;
  /** The files are read for their comments and for the lines of findings. */
  readonly folder: Pick<MigrationSource, "entries" | "baselineHeaders" | "contracts"> & {
    readonly dir: string;
  };
  /** Paths in findings are relative to this folder. */
  readonly relativeTo: string;
  /** Reads what the database has. @default - only what the migrations say is known */
  readonly facts?: () => Promise<DatabaseFacts>;
  /** Newest applied migration; null if there is none or if the order does not matter. */
  readonly newestApplied: string | null;
  /** Whether squawk-cli may be missing: then only our own rules are applied. @default - it is required */
  readonly squawk?: "if-installed";
  readonly signal?: AbortSignal;
}

/** A migration with everything that the rules need. */
export interface LintedMigration {
  readonly name: string;
  readonly kind: Migration["kind"];
  /** Of a pair, the up file first; never empty. */
  readonly files: readonly [MigrationFile, ...MigrationFile[]];
  /** Null if its SQL is not known before the migrations before it have run. */
  readonly up: ParsedSql | null;
  /** `irreversible`: the file gives a reason; `missing`: there is no down and no reason. */
  readonly down: ParsedSql | "dynamic" | "irreversible" | "missing" | "unknown";
  /** Whether it queries the database while its SQL is built. */
  readonly dynamic: boolean;
  /** Whether it is a backfill, which has nothing to undo unless it says so. */
  readonly isBackfill: boolean;
  /** What earlier migrations of the same run create, as far as the database is known to lack it. */
  readonly createdBefore: readonly Created[];
}

export async function readMigration(
  parser: Parser,
  request: LintRequest,
  { step, createdBefore = [] }: { readonly step: PlanStep; readonly createdBefore?: readonly Created[] },
): Promise<LintedMigration> {
  const name = step.migration;
  const entry = request.folder.entries.find((candidate) => candidate.name === name);
  const [first, ...others] = entry === undefined ? [] : await readFiles(request, entry);
  if (entry === undefined || first === undefined) throw new Error(`there is no file of migration ${name}`);
  const isBackfill = step.backfill !== undefined;
  // No parser knows `:batch`. What stands in its place has its length, so that the lines of findings stay right.
  const readable = isBackfill ? asPlainSql : (sql: string) => sql;
  const files: LintedMigration["files"] = [{ ...first, text: readable(first.text) }, ...others];
  return {
    name,
    kind: entry.kind,
    files,
    up: step.sql === null ? null : parseSteps(parser, step.sql.map(readable), step.transactional ?? true),
    down: readDown(parser, request.forecast.downs.get(name)),
    dynamic: step.dynamic,
    isBackfill,
    createdBefore,
  };
}

export async function readFiles(
  { folder, relativeTo }: Pick<LintRequest, "folder" | "relativeTo">,
  entry: Migration,
): Promise<MigrationFile[]> {
  return Promise.all(
    entry.files.map(async (file) => {
      const path = join(folder.dir, file);
      const text = (await readFile(path, "utf8")).replace(/^\ufeff/, "");
      return { path: relative(relativeTo, path).split(sep).join("/"), text };
    }),
  );
}

function readDown(parser: Parser, down: DownForecast | undefined): LintedMigration["down"] {
  if (down === undefined) return "unknown";
  if (down.kind === "irreversible") return down.reason === undefined ? "missing" : "irreversible";
  return down.kind === "static" ? parseSteps(parser, down.sql, down.transactional) : down.kind;
}

/** The SQL of both directions, as far as it is known. */
export function knownSql({ up, down }: LintedMigration): { direction: Direction; sql: ParsedSql }[] {
  return [
    ...(up === null ? [] : [{ direction: "up" as const, sql: up }]),
    ...(typeof down === "string" ? [] : [{ direction: "down" as const, sql: down }]),
  ];
}

/** The file that contains one direction. */
export function fileOf({ files }: LintedMigration, direction: Direction): MigrationFile {
  const [first, second] = files;
  return direction === "down" ? (second ?? first) : first;
}

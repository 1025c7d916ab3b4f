import type { Direction, DownForecast, Migration, PlannedMigration } from "../../core/index.ts";
import { type MigrationFile, readFiles } from "./files.ts";
import { type OptOut, readOptOuts } from "./opt-outs.ts";
import type { Parser } from "./parser.ts";
import type { LintRequest } from "./request.ts";
import { readScript, type Script } from "./script.ts";

/** A pending migration with all that rules look at. */
export interface ReadMigration {
  readonly name: string;
  readonly kind: Migration["kind"];
  /** Of a pair, the up file first; never empty. */
  readonly files: readonly [MigrationFile, ...MigrationFile[]];
  /** Null when its SQL is known only when the migrations before it have run. */
  readonly up: Script | null;
  /** `irreversible`: the file says why there is none; `missing`: it does not. */
  readonly down: Script | "dynamic" | "irreversible" | "missing" | "unknown";
  /** Whether it asks the database while it is built. */
  readonly dynamic: boolean;
  readonly optOuts: readonly OptOut[];
}

export async function readMigration(
  parser: Parser,
  request: LintRequest,
  step: PlannedMigration,
): Promise<ReadMigration> {
  const name = step.migration;
  const entry = request.folder.entries.find((one) => one.name === name);
  const [first, ...others] = entry === undefined ? [] : await readFiles(request, entry);
  if (entry === undefined || first === undefined) throw new Error(`there is no file of migration ${name}`);
  const files: ReadMigration["files"] = [first, ...others];
  return {
    name,
    kind: entry.kind,
    files,
    up: step.sql === null ? null : readScript(parser, step.sql, step.transactional ?? true),
    down: readDown(parser, request.downs.get(name)),
    dynamic: step.dynamic,
    optOuts: files.flatMap((file) => readOptOuts(parser, file, entry.kind)),
  };
}

function readDown(parser: Parser, down: DownForecast | undefined): ReadMigration["down"] {
  if (down === undefined) return "unknown";
  if (down.kind === "irreversible") return down.reason === undefined ? "missing" : "irreversible";
  return down.kind === "static" ? readScript(parser, down.sql, down.transactional) : down.kind;
}

/** The scripts that are there to be judged. */
export function scriptsOf({ up, down }: ReadMigration): { direction: Direction; script: Script }[] {
  return [
    ...(up === null ? [] : [{ direction: "up" as const, script: up }]),
    ...(typeof down === "string" ? [] : [{ direction: "down" as const, script: down }]),
  ];
}

/** The file in which one direction is written. */
export function fileOf({ files }: ReadMigration, direction: Direction): MigrationFile {
  const [first, second] = files;
  return direction === "down" ? (second ?? first) : first;
}

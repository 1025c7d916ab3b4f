import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DownForecast, MigrationError, type PlanStep } from "../../lib/core/index.ts";
import { loadCode, type MigrationCode, NoWayDown } from "../../lib/engine/load.ts";
import { renderWithoutDatabase } from "../../lib/engine/render.ts";
import { openFolder } from "../../lib/folder/index.ts";
import { type LintReport, lintMigrations } from "../../lib/review/lint/index.ts";
import { writeFolder } from "../support/folders.ts";

export interface FolderOptions {
  readonly postgresMajor?: number;
  readonly newestApplied?: string;
}

/** Lints a folder as if all of it were pending, without a database. */
export async function lintFolder(dir: string, options: FolderOptions = {}): Promise<LintReport> {
  const cacheDir = join(tmpdir(), "cdk-pg-migrate-test-cache", String(process.pid));
  const folder = await openFolder(dir, { cacheDir });
  const names = folder.entries.map(({ name }) => name);
  const contexts = await loadCode(folder, names, { decamelize: false, warn: () => {} });
  const steps: PlanStep[] = [];
  const downs = new Map<string, DownForecast>();
  for (const context of contexts.values()) {
    steps.push(await planned(context));
    downs.set(context.name, await forecast(context));
  }
  return lintMigrations({
    forecast: { steps, downs, failures: [], head: null, serverMajor: options.postgresMajor ?? 17 },
    folder,
    relativeTo: folder.dir,
    newestApplied: options.newestApplied ?? null,
  });
}

/** Lints these files. */
export function lintFiles(
  files: Readonly<Record<string, string>>,
  options?: FolderOptions,
): Promise<LintReport> {
  return lintFolder(writeFolder(files), options);
}

async function planned(context: MigrationCode): Promise<PlanStep> {
  const built = await renderWithoutDatabase(context, "up");
  const isStatic = built.kind === "static";
  return {
    migration: context.name,
    direction: "up",
    sql: isStatic ? built.steps : null,
    transactional: isStatic ? built.transactional : null,
    dynamic: !isStatic,
    source: "file",
    ...(isStatic && built.backfill !== undefined
      ? { backfill: { table: built.backfill.table, key: null, rows: null } }
      : {}),
  };
}

async function forecast(context: MigrationCode): Promise<DownForecast> {
  try {
    const built = await renderWithoutDatabase(context, "down");
    if (built.kind === "dynamic") return { kind: "dynamic" };
    return { kind: "static", sql: built.steps, transactional: built.transactional };
  } catch (error) {
    if (error instanceof MigrationError && error.code === "IRREVERSIBLE") {
      const { down } = context.actions;
      const reason = down instanceof NoWayDown ? down.reason : undefined;
      return { kind: "irreversible", ...(reason === undefined ? {} : { reason }) };
    }
    throw error;
  }
}

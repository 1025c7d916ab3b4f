import {
  type Direction,
  type DownForecast,
  type Forecast,
  type ForecastFailure,
  given,
  isOwnFault,
  MigrationError,
  type MigrationSource,
  type PlannedBackfill,
  type PlanReport,
  type PlanStep,
  type ResolvedOptions,
} from "../core/index.ts";
import type { Session } from "../postgres/index.ts";
import { maskSecrets } from "../sql/index.ts";
import type { CheckedBackfill } from "./backfill.ts";
import { estimateRows, findBackfillTable } from "./backfill-table.ts";
import { type Context, loadOptions } from "./context.ts";
import { headOf, namesIn, readState } from "./database-state.ts";
import { LiveDb } from "./live-db.ts";
import type { MigrationCode } from "./load.ts";
import { inOrder, type LoadOptions, loadCode, NoWayDown } from "./load.ts";
import type { RenderedSql } from "./node-pg-migrate.ts";
import type { PlannedMigration } from "./plan.ts";
import { isNotAwaited } from "./queries.ts";
import { renderOrIrreversible, renderWithDatabase, renderWithoutDatabase } from "./render.ts";
import { withAdvice } from "./sql-failure.ts";

/**
 * Shows what the planned migrations would send. The session must be read-only: a dynamic migration is rendered against
 * the database as it is now, and may not change it.
 */
export async function previewMigrations(
  session: Session,
  options: ResolvedOptions,
  planned: readonly PlannedMigration[],
): Promise<PlanStep[]> {
  const previews: PlanStep[] = [];
  for (const next of planned) {
    const { recordedAs } = next;
    if (recordedAs !== undefined) {
      previews.push({ ...recordedStep(next), note: recordedAs });
      continue;
    }
    const rendered = next.rendered.kind === "static" ? next.rendered : await renderReadOnly(session, next);
    const step = stepOf(next, rendered);
    const found = await previewBackfill(session, options, next);
    previews.push(found === undefined ? step : { ...step, backfill: found });
  }
  return previews;
}

/** Undefined for other migrations, and while the table of the backfill does not exist. */
async function previewBackfill(
  session: Session,
  options: ResolvedOptions,
  { name, rendered }: PlannedMigration,
): Promise<PlannedBackfill | undefined> {
  const backfill = rendered.kind === "static" ? rendered.backfill : undefined;
  if (backfill === undefined) return undefined;
  const table = await findBackfillTable(session, options, name, backfill);
  if (table === undefined) return undefined;
  const key = table.key.map((column) => column.name);
  const rows = await estimateRows(session, table).catch((error: unknown) => {
    throw error instanceof MigrationError ? withAdvice(error, undefined).with({ migration: name }) : error;
  });
  return { table: table.name, key, rows };
}

/** @param rendered - undefined if its SQL cannot be known yet */
function stepOf(planned: PlannedMigration, rendered: RenderedSql | undefined): PlanStep {
  return {
    migration: planned.name,
    direction: planned.direction,
    sql: rendered?.steps ?? null,
    transactional: rendered?.transactional ?? null,
    dynamic: planned.rendered.kind === "dynamic",
    source: planned.source,
    ...(rendered?.backfill === undefined ? {} : { backfill: describeBackfill(rendered.backfill) }),
  };
}

function describeBackfill({ table, key }: CheckedBackfill): PlannedBackfill {
  return { table, key: key.length === 0 ? null : key, rows: null };
}

function recordedStep({ name, direction, source }: PlannedMigration): PlanStep {
  return { migration: name, direction, sql: [], transactional: true, dynamic: false, source };
}

/** Undefined when the migration cannot be rendered yet: it reads what an earlier one creates, or writes. */
async function renderReadOnly(session: Session, planned: PlannedMigration): Promise<RenderedSql | undefined> {
  const live = new LiveDb(session, { begin: async () => {}, leaveTransaction: async () => {} });
  await session.enterMigration();
  await session.run("BEGIN READ ONLY");
  try {
    return await renderWithDatabase(planned.code, planned.direction, () => live.run(() => true));
  } catch (error) {
    if (isNotAwaited(error)) throw error;
    if (error instanceof MigrationError && (error.code === "SQL" || error.code === "MIGRATION"))
      return undefined;
    throw error;
  } finally {
    await session.rollback();
  }
}

export interface ForecastOptions {
  /** Whether applied migrations are included. @default - only pending ones */
  readonly all?: boolean;
}

/**
 * Shows what the pending migrations would send and how each would be undone. A migration that cannot be loaded or
 * rendered is a failure in the result and does not hide the others.
 */
export async function forecast(context: Context, options: ForecastOptions = {}): Promise<Forecast> {
  const { session, source } = context;
  const state = await readState(context);
  const names = options.all ? inOrder(source).map(({ name }) => name) : namesIn(state.classified, "pending");
  const migrations = await forecastEach(source, names, loadOptions(context), async (planned) => {
    return previewMigrations(session, context.options, [planned]);
  });
  return { ...migrations, head: headOf(state), serverMajor: session.serverMajor };
}

/** What the named migrations would send, by their files alone. The SQL of one that queries the database stays unknown. */
export async function forecastFiles(
  source: MigrationSource,
  names: readonly string[],
  options: LoadOptions,
): Promise<Omit<Forecast, "head" | "serverMajor">> {
  return forecastEach(source, names, options, async (planned) => {
    const { rendered } = planned;
    return [stepOf(planned, rendered.kind === "static" ? rendered : undefined)];
  });
}

async function forecastEach(
  source: MigrationSource,
  names: readonly string[],
  options: LoadOptions,
  preview: (planned: PlannedMigration) => Promise<readonly PlanStep[]>,
): Promise<Omit<Forecast, "head" | "serverMajor">> {
  const failures: ForecastFailure[] = [];
  const noting = async <T>(migration: string, direction: Direction, work: () => Promise<T>) => {
    try {
      return await work();
    } catch (error) {
      if (!isOwnFault(error)) throw error;
      failures.push({ migration, direction, error });
      return undefined;
    }
  };
  const codes = await loadEach(source, names, options, noting);
  const downs = new Map<string, DownForecast>();
  const steps: PlanStep[] = [];
  for (const [name, code] of codes) {
    const step = await noting(name, "up", async () => {
      const rendered = await renderWithoutDatabase(code, "up");
      return preview({ name, direction: "up", code, rendered, source: "file" });
    });
    if (step === undefined) continue;
    steps.push(...step);
    const down = await noting(name, "down", () => forecastDown(code));
    if (down !== undefined) downs.set(name, down);
  }
  return { steps, downs, failures };
}

async function forecastDown(code: MigrationCode): Promise<DownForecast> {
  const rendered = await renderOrIrreversible(code);
  if (rendered === "irreversible") {
    const { down } = code.actions;
    const reason = down instanceof NoWayDown ? down.reason : undefined;
    return { kind: "irreversible", ...given({ reason }) };
  }
  if (rendered.kind === "dynamic") return { kind: "dynamic" };
  return { kind: "static", sql: rendered.steps, transactional: rendered.transactional };
}

type Noting = <T>(migration: string, direction: Direction, work: () => Promise<T>) => Promise<T | undefined>;

/** Loads all migrations at once, which is fast; one by one when one of them cannot be loaded. */
async function loadEach(
  source: MigrationSource,
  names: readonly string[],
  options: LoadOptions,
  noting: Noting,
): Promise<Map<string, MigrationCode>> {
  try {
    return await loadCode(source, names, options);
  } catch (error) {
    if (!isOwnFault(error)) throw error;
  }
  const sharing = await source.shorthandNames();
  const loadable = new Set<string>();
  const alone: MigrationSource = { ...source, shorthandNames: async () => [] };
  for (const name of new Set([...names, ...sharing])) {
    const code = await noting(name, "up", () => loadCode(alone, [name], options));
    if (code !== undefined) loadable.add(name);
  }
  const shared = sharing.filter((name) => loadable.has(name));
  return loadCode(
    { ...source, shorthandNames: async () => shared },
    names.filter((name) => loadable.has(name)),
    options,
  );
}

/** A plan to be shown: passwords in its SQL are masked. */
export function maskedPlan(report: PlanReport): PlanReport {
  return { ...report, steps: maskedSteps(report.steps) };
}

export function maskedSteps<Step extends PlanStep>(steps: readonly Step[]): readonly Step[] {
  return steps.map((step) => ({ ...step, sql: step.sql?.map(maskSecrets) ?? null }));
}

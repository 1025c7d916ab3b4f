import {
  type Direction,
  type DownForecast,
  type Forecast,
  type ForecastFailure,
  isOwnFault,
  MigrationError,
  type MigrationSource,
  type PlanStep,
} from "../core/index.ts";
import type { Session } from "../postgres/index.ts";
import { type Context, loadOptions } from "./context.ts";
import { headOf, namesIn, readState } from "./database-state.ts";
import { LiveDb } from "./live-db.ts";
import type { MigrationCode } from "./load.ts";
import { inOrder, type LoadOptions, loadCode, NoWayDown } from "./load.ts";
import type { BuiltSteps } from "./node-pg-migrate.ts";
import type { PlannedMigration } from "./plan.ts";
import { isNotAwaited } from "./queries.ts";
import { buildOrIrreversible, buildWithDatabase, buildWithoutDatabase } from "./render.ts";

/**
 * What the planned migrations would send. The session must be read-only: a dynamic migration is built against the
 * database as it is now, and may not change it.
 */
export async function previewMigrations(
  session: Session,
  planned: readonly PlannedMigration[],
): Promise<PlanStep[]> {
  const previews: PlanStep[] = [];
  for (const next of planned) {
    const dynamic = next.built.kind === "dynamic";
    const built = next.built.kind === "static" ? next.built : await buildReadOnly(session, next);
    previews.push({
      migration: next.name,
      direction: next.direction,
      sql: built?.steps ?? null,
      transactional: built?.transactional ?? null,
      dynamic,
      source: next.source,
    });
  }
  return previews;
}

/** Undefined when the migration cannot be built yet: it reads what an earlier one creates, or writes while building. */
async function buildReadOnly(session: Session, planned: PlannedMigration): Promise<BuiltSteps | undefined> {
  const live = new LiveDb(session, { begin: async () => {}, leaveTransaction: async () => {} });
  await session.enterMigration();
  await session.run("BEGIN READ ONLY");
  try {
    return await buildWithDatabase(planned.context, planned.direction, () => live.run(() => true));
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
  /** Applied migrations too. @default - only what is pending */
  readonly all?: boolean;
}

/**
 * What the pending migrations would send, and how each would be undone: everything a reviewer wants to see. One that
 * cannot be loaded or built does not keep the others from being seen.
 */
export async function forecast(context: Context, options: ForecastOptions = {}): Promise<Forecast> {
  const { session, source } = context;
  const state = await readState(context);
  const names = options.all ? inOrder(source).map(({ name }) => name) : namesIn(state.classified, "pending");
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
  const contexts = await loadEach(source, names, loadOptions(context), noting);
  const downs = new Map<string, DownForecast>();
  const steps: PlanStep[] = [];
  for (const [name, context] of contexts) {
    const step = await noting(name, "up", async () => {
      const built = await buildWithoutDatabase(context, "up");
      return previewMigrations(session, [{ name, direction: "up", context, built, source: "file" }]);
    });
    if (step === undefined) continue;
    steps.push(...step);
    const down = await noting(name, "down", () => forecastDown(context));
    if (down !== undefined) downs.set(name, down);
  }
  return { steps, downs, failures, head: headOf(state), serverMajor: session.serverMajor };
}

async function forecastDown(context: MigrationCode): Promise<DownForecast> {
  const built = await buildOrIrreversible(context);
  if (built === "irreversible") {
    const { down } = context.actions;
    const reason = down instanceof NoWayDown ? down.reason : undefined;
    return { kind: "irreversible", ...(reason === undefined ? {} : { reason }) };
  }
  if (built.kind === "dynamic") return { kind: "dynamic" };
  return { kind: "static", sql: built.steps, transactional: built.transactional };
}

type Noting = <T>(migration: string, direction: Direction, work: () => Promise<T>) => Promise<T | undefined>;

/** All at once, which is quick; where one of them cannot be loaded, one by one. */
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
    const context = await noting(name, "up", () => loadCode(alone, [name], options));
    if (context !== undefined) loadable.add(name);
  }
  const shared = sharing.filter((name) => loadable.has(name));
  return loadCode(
    { ...source, shorthandNames: async () => shared },
    names.filter((name) => loadable.has(name)),
    options,
  );
}

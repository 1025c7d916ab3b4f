import {
  type Direction,
  type DownForecast,
  type Forecast,
  type ForecastFailure,
  isOwnFault,
  type MigrationSource,
  type PlannedMigration,
} from "../../core/index.ts";
import { type BuildContext, buildOrIrreversible, buildWithoutDatabase } from "../build/build.ts";
import { NoWayDown } from "../build/irreversible.ts";
import { inOrder, type LoadOptions, loadContexts } from "../build/load.ts";
import { previewMigrations } from "../run/preview.ts";
import { headOf, namesIn } from "../survey.ts";
import { loadOptions, look, type Workspace } from "../workspace.ts";

export interface ForecastOptions {
  /** Applied migrations too. @default - only what is pending */
  readonly all?: boolean;
}

/**
 * What the pending migrations would send, and how each would be undone: everything a reviewer wants to see. One that
 * cannot be loaded or built does not keep the others from being seen.
 */
export async function forecast(workspace: Workspace, options: ForecastOptions = {}): Promise<Forecast> {
  const { session, source } = workspace;
  const found = await look(workspace);
  const names = options.all ? inOrder(source).map(({ name }) => name) : namesIn(found.classified, "pending");
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
  const contexts = await loadEach(source, names, loadOptions(workspace), noting);
  const downs = new Map<string, DownForecast>();
  const steps: PlannedMigration[] = [];
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
  return { steps, downs, failures, head: headOf(found), serverMajor: session.serverMajor };
}

async function forecastDown(context: BuildContext): Promise<DownForecast> {
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
): Promise<Map<string, BuildContext>> {
  try {
    return await loadContexts(source, names, options);
  } catch (error) {
    if (!isOwnFault(error)) throw error;
  }
  const sharing = await source.shorthandNames();
  const loadable = new Set<string>();
  const alone: MigrationSource = { ...source, shorthandNames: async () => [] };
  for (const name of new Set([...names, ...sharing])) {
    const context = await noting(name, "up", () => loadContexts(alone, [name], options));
    if (context !== undefined) loadable.add(name);
  }
  const shared = sharing.filter((name) => loadable.has(name));
  return loadContexts(
    { ...source, shorthandNames: async () => shared },
    names.filter((name) => loadable.has(name)),
    options,
  );
}

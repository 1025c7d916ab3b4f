import {
  inRunningOrder,
  type LoadedMigration,
  type MigrationSource,
  type Observer,
  type RunCode,
} from "../../core/index.ts";
import { untilAborted } from "../connection/cancel.ts";
import type { Actions } from "../engine.ts";
import { readActions } from "./actions.ts";
import type { BuildContext } from "./build.ts";
import { contain } from "./contain.ts";

export interface LoadOptions {
  readonly decamelize: boolean;
  readonly warn: (message: string) => void;
  /** Told while code of migrations is called. */
  readonly observe?: Observer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Loads the named migrations, and those whose shorthands they may use. Column shorthands add up in running order:
 * a migration sees its own and those of all before it, applied or not.
 */
export async function loadContexts(
  source: MigrationSource,
  names: readonly string[],
  options: LoadOptions,
): Promise<Map<string, BuildContext>> {
  if (names.length === 0) return new Map();
  const wanted = new Set(names);
  const sharing = new Set(await source.shorthandNames());
  const loading = source.load([...new Set([...names, ...sharing])], runContained);
  const loaded = await untilAborted(loading, options.signal);
  const contexts = new Map<string, BuildContext>();
  let shorthands: Actions["shorthands"] = {};
  for (const { name } of inOrder(source)) {
    const migration = loaded.get(name);
    if (migration === undefined) continue;
    const actions = readActions(migration);
    shorthands = { ...shorthands, ...actions.shorthands };
    if (wanted.has(name)) contexts.set(name, { name, actions, shorthands, ...options });
  }
  return contexts;
}

/** The context of one migration evaluated anew, in the place of the given one. */
export async function reloadContext(source: MigrationSource, context: BuildContext): Promise<BuildContext> {
  const loaded: LoadedMigration = await source.reload(context.name, runContained);
  const actions = readActions(loaded);
  return { ...context, actions, shorthands: { ...context.shorthands, ...actions.shorthands } };
}

/** Statements of a migration that stand outside its functions run when it is loaded. */
export const runContained: RunCode = (migration, code) => contain({ migration, activity: "load" }, code);

export function inOrder(source: MigrationSource): MigrationSource["entries"] {
  return inRunningOrder(source.entries, ({ fileName }) => fileName);
}

import { openAsset } from "../runtime/asset.ts";
import { withEngine } from "../runtime/engine.ts";
import { describeError } from "../runtime/failure-log.ts";
import type { Invocation } from "../runtime/invocation.ts";
import { type Environment, readRoot, readSettings } from "../runtime/settings.ts";
import type { DeployEvent, Slice } from "./event.ts";
import type { Earlier } from "./failure.ts";

/**
 * The invocation, which ends so early that the answer of the whole deploy is in time. The first one has the time of its
 * function, however long that took to start: no deploy has less.
 */
export function withinDeploy(invocation: Invocation, slice: Slice | undefined): Invocation {
  if (slice === undefined || !slice.isLater) return invocation;
  const { deadline, reserveMs } = invocation;
  return { ...invocation, deadline: Math.min(deadline, slice.until - reserveMs) };
}

/** Whether the deploy has time for another slice, which needs some of it to begin and to answer. */
export function hasTimeForAnother(slice: Slice | undefined, { reserveMs }: Invocation): boolean {
  return slice !== undefined && slice.until - Date.now() > 2 * reserveMs;
}

/** More than a deploy applies. */
const HISTORY_ROWS = 5_000;

/**
 * Names of the migrations that this deploy has applied, in their order, as the history has them. Empty for a deploy
 * with one slice, whose failure names them itself; "unknown" if the database does not tell.
 */
export async function appliedEarlier(
  { resource, slice }: DeployEvent,
  invocation: Invocation,
  env: Environment,
): Promise<Earlier> {
  if (slice?.isLater !== true) return [];
  try {
    const source = openAsset(readRoot(env));
    const settings = readSettings(env);
    const options = { ...settings.options, databaseWaitMs: 0 };
    const setup = { settings: { ...settings, options }, source, origin: "deploy", actor: resource } as const;
    const hurried = { ...invocation, deadline: Date.now() + invocation.reserveMs / 2 };
    const { entries } = await withEngine(hurried, setup, (migrator) =>
      migrator.history({ state: "finished", limit: HISTORY_ROWS }),
    );
    const own = entries.filter(
      ({ action, actor, origin, bundle, at }) =>
        (action === "up" || action === "fake") &&
        actor === resource &&
        origin === "deploy" &&
        bundle === source.manifest.hash &&
        Date.parse(at) >= slice.since,
    );
    return own.map(({ migration }) => migration).reverse();
  } catch (error) {
    invocation.log.warn("the history does not say what was applied before", describeError(error));
    return "unknown";
  }
}

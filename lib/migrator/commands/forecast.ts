import { buildOrIrreversible } from "../build/build.ts";
import { NoWayDown } from "../build/irreversible.ts";
import { loadContexts } from "../build/load.ts";
import { planUp } from "../build/plan-up.ts";
import type { DownForecast, Forecast } from "../report.ts";
import { previewMigrations } from "../run/preview.ts";
import { headOf, namesIn } from "../survey.ts";
import { loadOptions, look, type Workspace } from "../workspace.ts";

/** What the pending migrations would send, and how each would be undone: everything a reviewer wants to see. */
export async function forecast(workspace: Workspace): Promise<Forecast> {
  const { session, source } = workspace;
  const found = await look(workspace);
  const names = namesIn(found.classified, "pending");
  const planned = await planUp(source, names, loadOptions(workspace));
  const downs = new Map<string, DownForecast>();
  for (const [name, context] of await loadContexts(source, names, loadOptions(workspace))) {
    const built = await buildOrIrreversible(context);
    if (built === "irreversible") {
      const { down } = context.actions;
      const reason = down instanceof NoWayDown ? down.reason : undefined;
      downs.set(name, { kind: "irreversible", ...(reason === undefined ? {} : { reason }) });
    } else if (built.kind === "dynamic") downs.set(name, { kind: "dynamic" });
    else downs.set(name, { kind: "static", sql: built.steps, transactional: built.transactional });
  }
  const steps = await previewMigrations(session, planned);
  return { steps, downs, head: headOf(found), serverMajor: session.serverMajor };
}

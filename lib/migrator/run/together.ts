import { leavesTheRestAsItIs, type Part } from "../connection/message.ts";
import { MigrationError } from "../errors.ts";
import { onlyDefines } from "../sql/definitions.ts";
import type { RunContext } from "./context.ts";
import type { Completed, Planned } from "./planned.ts";

/** Migrations in one transaction: more would gain little, and lose more when one of them fails. */
const MOST = 50;
/** A server keeps a lock for each thing that a transaction makes, and has room for some thousands. */
const MOST_CHARACTERS = 50_000;

/**
 * The migrations, from the given one on, that may share a transaction: nothing of one can be told from its place in a
 * transaction of its own.
 */
export function shareable(planned: readonly Planned[], from: number): readonly Planned[] {
  let [to, characters] = [from, 0];
  for (; to < planned.length && to - from < MOST; to += 1) {
    const steps = stepsToShare(planned[to]);
    if (steps === undefined) break;
    characters += steps.join().length;
    if (characters > MOST_CHARACTERS) break;
  }
  return planned.slice(from, to);
}

function stepsToShare(planned: Planned | undefined): readonly string[] | undefined {
  if (planned?.direction !== "up" || planned.built.kind !== "static" || !planned.built.transactional)
    return undefined;
  const { steps } = planned.built;
  return steps.every((step) => leavesTheRestAsItIs(step) && onlyDefines(step)) ? steps : undefined;
}

/**
 * Runs migrations that share a transaction, and records them.
 * @returns undefined when the server refuses one of them: nothing of any is left then, and one by one they tell which
 */
export async function runTogether(
  run: RunContext,
  group: readonly Planned[],
): Promise<Completed[] | undefined> {
  const [first] = group;
  if (first !== undefined) run.observe({ type: "started", migration: first.name, direction: "up" });
  try {
    return completedOf(run, group, await perform(run, group));
  } catch (error) {
    if (!(error instanceof MigrationError) || !REFUSALS.includes(error.code)) throw error;
    await run.batch.abandon();
    return undefined;
  }
}

const REFUSALS = ["SQL", "LOCK_TIMEOUT", "MIGRATION"];

async function perform(run: RunContext, group: readonly Planned[]): Promise<readonly number[]> {
  const names = group.map(({ name }) => name);
  const entry = await run.session.entry();
  for (const planned of group) run.described.prepare(planned);
  return run.batch.performTogether({
    names,
    title: `${names[0]} and ${names.length - 1} more`,
    entry,
    steps: group.map(asOnePart),
    record: (durations) => record(run, group, durations),
  });
}

function asOnePart({ built }: Planned): Part {
  return { text: built.kind === "static" ? built.steps.join("\n;\n") : "", by: "migration" };
}

async function record(
  { described, ledger }: RunContext,
  group: readonly Planned[],
  durations: readonly number[],
): Promise<string> {
  const files = await Promise.all(group.map((planned) => described.of(planned)));
  return ledger.recordAllApplied(
    files.map((file, index) => ({ ...file, durationMs: durations[index] ?? 0 })),
  );
}

/** That it has started is told with its end: the server did not say. */
function completedOf(run: RunContext, group: readonly Planned[], durations: readonly number[]): Completed[] {
  return group.map(({ name: migration, direction }, index) => {
    const completed = { migration, direction, durationMs: Math.round(durations[index] ?? 0) };
    if (index > 0) run.observe({ type: "started", migration, direction });
    run.observe({ type: "finished", ...completed });
    return completed;
  });
}

import { type CompletedMigration, MigrationError } from "../../core/index.ts";
import { leavesTheRestAsItIs, type Part } from "../connection/message.ts";
import { dependsOnRows, onlyDefines } from "../sql/definitions.ts";
import type { RunContext } from "./context.ts";
import type { Planned } from "./planned.ts";

/** Migrations in one transaction: more would gain little, and lose more when one of them fails. */
const MOST = 250;
/** A server keeps a lock for each thing that a transaction makes, and has room for some thousands. */
const MOST_CHARACTERS = 100_000;

export interface Sharing {
  /** Name of the table of applied migrations: a trigger on it would see more rows than it should. */
  readonly table: string;
  /** Whether anything that ran on the empty database may have put rows into it. */
  readonly mayHaveRows: boolean;
}

/**
 * The migrations, from the given one on, that may share a transaction: nothing of one can be told from its place in a
 * transaction of its own. What may take long where there are rows has its own.
 */
export function shareable(
  planned: readonly Planned[],
  from: number,
  { table, mayHaveRows }: Sharing,
): readonly Planned[] {
  let [to, characters] = [from, 0];
  for (; to < planned.length && to - from < MOST; to += 1) {
    const steps = definitionsOf(planned[to]);
    if (steps === undefined || steps.some((step) => step.includes(table))) break;
    if (mayHaveRows && steps.some(dependsOnRows)) break;
    characters += steps.join().length;
    if (characters > MOST_CHARACTERS) break;
  }
  return planned.slice(from, to);
}

/** The SQL of a migration that does nothing but define, and that other SQL may follow in one message. */
export function definitionsOf(planned: Planned | undefined): readonly string[] | undefined {
  if (planned?.direction !== "up" || planned.built.kind !== "static") return undefined;
  const { steps, transactional } = planned.built;
  // The tokens of one large statement, such as an INSERT of many rows, take many times its size.
  if (steps.some((step) => step.length > MOST_CHARACTERS)) return undefined;
  const fits = transactional && steps.every((step) => leavesTheRestAsItIs(step) && onlyDefines(step));
  return fits ? steps : undefined;
}

/** What is to be done, or told, while migrations that share a transaction are under way. */
export interface Meanwhile {
  /** While the server runs them. */
  running(): void;
  /** While it records them. */
  recording(): void;
  /** How many are done, whether all will be or one has failed. */
  reached(done: number): void;
}

/**
 * Runs migrations that share a transaction, and records them.
 * @returns undefined when one of them cannot be run so: nothing of any is left then
 */
export async function runTogether(
  run: RunContext,
  group: readonly Planned[],
  meanwhile: Meanwhile,
): Promise<CompletedMigration[] | undefined> {
  let ended = false;
  const soon = (work: () => void) => setImmediate(() => (ended ? undefined : work()));
  try {
    const durations = await perform(run, group, {
      ...meanwhile,
      running: () => soon(meanwhile.running),
      recording: () => soon(meanwhile.recording),
    });
    return durations?.map((took, index) => {
      const { name: migration = "", direction = "up" } = group[index] ?? {};
      return { migration, direction, durationMs: Math.round(took) };
    });
  } catch (error) {
    if (!mayPassAlone(error)) throw error;
    await run.batch.abandon();
    return undefined;
  } finally {
    ended = true;
  }
}

/** Not what somebody else has stopped, or what a server that has no room refuses, but for locks, which alone are fewer. */
function mayPassAlone(error: unknown): boolean {
  if (!(error instanceof MigrationError)) return false;
  const { code, details } = error;
  if (/^(57|53(?!200))/.test(details.sqlstate ?? "")) return false;
  return code === "SQL" || code === "LOCK_TIMEOUT" || code === "MIGRATION";
}

async function perform(
  run: RunContext,
  group: readonly Planned[],
  { running, recording, reached }: Meanwhile,
): Promise<readonly number[] | undefined> {
  const names = group.map(({ name }) => name);
  const entry = await run.session.entry();
  for (const planned of group) run.described.prepare(planned);
  const record = recordOf(run, group);
  // Who asks for it is told; nobody does when the server refuses.
  record.catch(() => {});
  running();
  return run.batch.performTogether({
    names,
    title: `${names[0]} and ${names.length - 1} more`,
    entry,
    steps: group.map(asOnePart),
    reached,
    record: async (durations) => {
      const statement = (await record)(durations);
      recording();
      return statement;
    },
  });
}

function asOnePart({ built }: Planned): Part {
  return { text: built.kind === "static" ? built.steps.join("\n;\n") : "", by: "migration" };
}

/** The statement that records them, made while the server runs them, but for how long each took. */
async function recordOf(
  { described, ledger }: RunContext,
  group: readonly Planned[],
): Promise<(durations: readonly number[]) => string> {
  return ledger.recordAllApplied(await Promise.all(group.map((planned) => described.of(planned))));
}

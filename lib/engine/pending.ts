import {
  type Approval,
  type ContractWait,
  Hint,
  MigrationError,
  type MigrationSource,
} from "../core/index.ts";
import { pendingInPlan } from "./approval.ts";
import type { Context } from "./context.ts";
import { readContracts, waitingContracts } from "./contracts.ts";
import { type DatabaseState, knownNames } from "./database-state.ts";
import { type Extent, selectUp } from "./selection.ts";

export interface UpOptions extends Extent {
  /** Run exactly this, or fail with the difference before anything runs. A plan says itself how far to go. */
  readonly approved?: Approval;
  /** A contract that runs although it waits: a person knows that no code needs the old shape any more. */
  readonly contract?: string;
  /** Why, for the history. */
  readonly note?: string;
}

/** The pending migrations that an `up` takes, and the contracts that it leaves. */
export interface SelectedMigrations {
  readonly names: readonly string[];
  readonly waiting: ReadonlyMap<string, ContractWait>;
  /** The notes of contracts that would wait, had nobody named them. */
  readonly notes: ReadonlyMap<string, string>;
}

/** @param withheld contracts that wait in any case */
export function selectPending(
  context: Context,
  state: DatabaseState,
  { approved, contract, note, ...extent }: UpOptions,
  withheld: ReadonlySet<string> = new Set(),
): SelectedMigrations {
  const known = knownNames(context.source);
  const pending = state.classified.flatMap((one) =>
    one.state === "pending" || state.resumable.has(one.name) ? [one.name] : [],
  );
  const plan = typeof approved === "object" ? approved : undefined;
  const planned = new Set(plan?.steps.map(({ migration }) => migration));
  const usual = waitingContracts(context, state);
  const waiting = waitingContracts(context, state, {
    named: contract,
    withheld: plan === undefined ? withheld : new Set(pending.filter((name) => !planned.has(name))),
  });
  const left = pending.filter((name) => !waiting.has(name));
  const names = plan === undefined ? selectUp(left, known, extent) : pendingInPlan(left, known, plan);
  const reason = `ran although it waited: ${note ?? "no reason given"}`;
  const notes = names.flatMap((name) => (usual.has(name) ? [[name, reason] as const] : []));
  return { names, waiting, notes: new Map(notes) };
}

/**
 * A person's word for a contract that is applied already changes nothing.
 * @throws MigrationError `USAGE` for a name that is no contract
 */
export async function requireContract(source: MigrationSource, name: string | undefined): Promise<void> {
  if (name === undefined || (await readContracts(source)).has(name)) return;
  const what = knownNames(source).includes(name)
    ? `${name} is no contract: it waits for nothing`
    : `there is no migration named "${name}"`;
  throw new MigrationError("USAGE", what, {
    hint: Hint.of`${Hint.command("status")} shows which migrations wait, and for what.`,
  });
}

import type { PlanStep } from "../../core/index.ts";
import { listChanges, type ObjectChange, type SchemaTable } from "../catalog/index.ts";
import { attempt, type VerifyError } from "./check.ts";
import type { TrialDatabase } from "./trial-database.ts";

/** A migration that was applied to a scratch database. */
export interface ReplayedMigration {
  readonly name: string;
  /** Its SQL, known at last if it depends on the migrations before it. */
  readonly step: PlanStep | undefined;
  readonly changes: readonly ObjectChange[];
}

export interface ReplayFailure extends Omit<VerifyError, "step"> {
  readonly migration: string;
}

export interface Replay {
  readonly before: readonly SchemaTable[];
  /** The schema after the last migration that could be applied. */
  readonly after: readonly SchemaTable[];
  readonly migrations: readonly ReplayedMigration[];
  /** Why the later migrations were not applied. */
  readonly failure?: ReplayFailure;
}

/** Applies migrations to a scratch database one by one, and reads what each changes. */
export async function replayMigrations(trial: TrialDatabase, names: readonly string[]): Promise<Replay> {
  const before = await trial.tables();
  const migrations: ReplayedMigration[] = [];
  let failure: ReplayFailure | undefined;
  let catalog = await trial.snapshot();
  for (const name of names) {
    let step: PlanStep | undefined;
    const error = await attempt("up", async () => {
      step = await trial.planNext();
      await trial.up(name);
    });
    if (error !== undefined) {
      failure = { ...error, message: trial.refusal ?? error.message, migration: name };
      break;
    }
    const now = await trial.snapshot();
    migrations.push({ name, step, changes: listChanges(catalog, now) });
    catalog = now;
  }
  const after = await trial.tables();
  return { before, after, migrations, ...(failure === undefined ? {} : { failure }) };
}

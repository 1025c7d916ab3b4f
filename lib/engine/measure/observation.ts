import type { MeasuredMigration, OmittedStatement } from "../../core/index.ts";
import type { PlannedMigration } from "../plan.ts";
import type { HeldLock } from "./lock-guard.ts";
import type { ChangedRows, Relation, TakenLock } from "./relations.ts";

/** A statement that ran, in lower case, and when in the work of its migration. */
export interface SentStatement {
  readonly text: string;
  readonly sinceMs: number;
}

/** What was seen of one migration. Object ids are looked up when everything is rolled back. */
export interface Observation {
  readonly migration: string;
  readonly outcome: MeasuredMigration["outcome"];
  readonly reason: string | null;
  readonly blocksNobody: boolean;
  readonly durationMs: number;
  readonly taken: readonly TakenLock[];
  readonly sent: readonly SentStatement[];
  /** What the transaction has locked so far and the indexes of it, as it is after the migration. */
  readonly after: readonly Relation[];
  /** Rows that the transaction has changed so far. */
  readonly rows: ReadonlyMap<number, ChangedRows>;
  readonly walBytes: number | null;
  readonly omitted: readonly Omit<OmittedStatement, "whileLocked">[];
}

/** One migration while it is measured. */
export class MeasuredRun {
  readonly planned: PlannedMigration;
  readonly taken: TakenLock[] = [];
  readonly omitted: Omit<OmittedStatement, "whileLocked">[] = [];
  readonly sent: SentStatement[] = [];

  constructor(planned: PlannedMigration) {
    this.planned = planned;
  }

  /** How many statements have been reached. */
  get statements(): number {
    return this.sent.length + this.omitted.length;
  }

  get lastOmitted(): string {
    return this.omitted.at(-1)?.effect ?? "";
  }

  start(text: string, sinceMs: number): void {
    this.sent.push({ text: text.toLowerCase(), sinceMs });
  }

  omit(effect: string): void {
    this.omitted.push({ statement: this.statements + 1, effect });
  }

  take(lock: HeldLock): void {
    this.taken.push({ ...lock, sinceMs: this.sent.at(-1)?.sinceMs ?? 0, statement: this.statements });
  }
}

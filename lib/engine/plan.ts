import {
  type Direction,
  type DownSource,
  type ErrorCode,
  Hint,
  MigrationError,
  type MigrationSource,
} from "../core/index.ts";
import type { Session } from "../postgres/index.ts";
import { asksForNoTransaction, isEmptySql, sqlDigest } from "../sql/index.ts";
import { findRenamed } from "./compare.ts";
import type { ConcurrentRecord } from "./concurrent.ts";
import type { AppliedMigration, UnfinishedBackfill } from "./history/read.ts";
import { readDownSql, type StoredDown } from "./history/recorded-sql.ts";
import { requireNoOtherWriters } from "./history/rights.ts";
import type { Existing, Tables } from "./history/tables.ts";
import { requireTrustedHistory } from "./history/trust.ts";
import { type LoadOptions, loadCode, type MigrationCode, NoWayDown, PlainSql } from "./load.ts";
import { type Rendered, renderOrIrreversible, renderWithoutDatabase } from "./render.ts";

/**
 * Loads and renders the named migrations, in this order, before any of them runs: one that cannot be loaded or rendered
 * fails the run while nothing has happened yet.
 * @throws MigrationError `MIGRATION`
 */
export async function planUp(
  source: MigrationSource,
  names: readonly string[],
  options: LoadOptions,
): Promise<PlannedMigration[]> {
  // They are read before the files are loaded: if one is edited in between, the next run notices it.
  const digests = await source.digests(names);
  const codes = await loadCode(source, names, options);
  const planned: PlannedMigration[] = [];
  for (const name of names) {
    const code = codes.get(name);
    if (code === undefined)
      throw new MigrationError("MISSING", `there is no file of migration ${name}`, { migration: name });
    const rendered = await renderWithoutDatabase(code, "up");
    if (rendered.kind === "static" && isEmptySql(rendered.steps))
      options.warn(`${name} is empty: it has no SQL to apply, and counts as applied all the same`);
    planned.push({ name, direction: "up", code, rendered, source: "file", sourceDigest: digests.get(name) });
  }
  return planned;
}

/** Plans to forget migrations: their records are deleted, and no SQL runs. */
export function planForget(names: readonly string[], options: LoadOptions): PlannedMigration[] {
  return names.map((name) => forget(name, options));
}

function forget(name: string, options: LoadOptions): PlannedMigration {
  const actions = { up: undefined, down: undefined, shorthands: {} };
  return {
    name,
    direction: "down",
    code: { name, actions, shorthands: {}, ...options },
    rendered: { kind: "static", steps: [], transactional: true },
    source: "file",
  };
}

export interface DownRequest extends DownChoice {
  readonly names: readonly string[];
  readonly applied: readonly AppliedMigration[];
  readonly existing: Existing;
}

/**
 * Decides for every migration, before any of them is undone, where its SQL comes from: the file when it agrees with the
 * history; when there is no file, the SQL that was stored when it was applied.
 * @throws MigrationError `MISSING`, `IRREVERSIBLE`, `CHANGED`, `UNTRUSTED_HISTORY`, `MIGRATION`
 */
export async function planDown(
  session: Session,
  tables: Tables,
  source: MigrationSource,
  request: DownRequest,
  options: LoadOptions,
): Promise<PlannedMigration[]> {
  const { names, existing } = request;
  const recorded = new Set(request.applied.flatMap((one) => (one.recordedAs === null ? [] : [one.name])));
  if (names.length > 0) await requireNoOtherWriters(session, tables);
  const present = new Set(source.entries.map((entry) => entry.name));
  await refuseRenamed(source, request, present, options);
  const codes = await loadCode(
    source,
    names.filter((name) => present.has(name)),
    options,
  );
  const stored = await readDownSql(session, tables, existing, names);
  const planned: PlannedMigration[] = [];
  for (const name of names) {
    const sources = { file: codes.get(name), stored: stored.get(name), choice: request, options };
    planned.push(recorded.has(name) ? forget(name, options) : await planOne(name, sources));
  }
  for (const { name, rendered } of planned) {
    if (rendered.kind === "static" && isEmptySql(rendered.steps) && !isBackfill(codes.get(name)))
      options.warn(`the SQL to undo ${name} is empty: nothing is undone but the record of it`);
  }
  if (planned.some((one) => one.source === "history")) await requireTrustedHistory(session, tables);
  return planned;
}

/** A backfill has nothing to undo unless its file says so. */
function isBackfill(code: MigrationCode | undefined): boolean {
  return code?.actions.up instanceof PlainSql && code.actions.up.backfill !== undefined;
}

interface Sources {
  readonly file: MigrationCode | undefined;
  readonly stored: StoredDown | undefined;
  readonly choice: DownChoice;
  readonly options: LoadOptions;
}

async function planOne(name: string, { file, stored, choice, options }: Sources): Promise<PlannedMigration> {
  const fromFile = file === undefined ? "absent" : await renderOrIrreversible(file);
  const facts: DownFacts = {
    file: typeof fromFile === "string" ? fromFile : fromFile.kind,
    history: stored === undefined ? "none" : stored.current ? "stored" : "superseded",
    agree:
      typeof fromFile === "object" &&
      fromFile.kind === "static" &&
      sqlDigest(fromFile.steps) === sqlDigest(stored?.steps ?? []),
  };
  const decision = decideDown(facts, choice);
  if ("refusal" in decision) {
    const { refusal, hint } = decision;
    const declared = file?.actions.down instanceof NoWayDown ? file.actions.down.reason : undefined;
    const reason = refusal === "IRREVERSIBLE" ? (declared ?? decision.reason) : decision.reason;
    throw new MigrationError(refusal, `migration ${name} cannot be undone: ${reason}`, {
      migration: name,
      hint,
    });
  }
  if (decision.source === "file" && file !== undefined && typeof fromFile === "object") {
    return { name, direction: "down", code: file, rendered: fromFile, source: "file" };
  }
  if (decision.preferred)
    options.warn(`the down of ${name} was changed: what was recorded when it was applied undoes it`);
  const code = storedContext(name, stored?.steps ?? [], options);
  return {
    name,
    direction: "down",
    code,
    rendered: await renderWithoutDatabase(code, "down"),
    source: "history",
  };
}

/** Stored SQL is rendered like the SQL of a file. */
function storedContext(name: string, steps: readonly string[], options: LoadOptions): MigrationCode {
  const down = new PlainSql(steps, !asksForNoTransaction(steps[0] ?? ""));
  return { name, actions: { up: undefined, down, shorthands: {} }, shorthands: {}, ...options };
}

/** Undoing a renamed migration would leave its file behind as pending, to be applied again. */
async function refuseRenamed(
  source: MigrationSource,
  request: DownRequest,
  present: ReadonlySet<string>,
  options: LoadOptions,
): Promise<void> {
  if (request.names.every((name) => present.has(name))) return;
  const renamed = await findRenamed(source, request.applied, options);
  for (const name of request.names) {
    const now = renamed.get(name);
    if (now === undefined) continue;
    throw new MigrationError(
      "MISSING",
      `migration ${name} cannot be undone: its file was renamed to ${now}`,
      {
        migration: name,
        hint: Hint.of`Give the file its name back, ${name}; or record the new one: ${Hint.command("repair", { migrations: [now] })}.`,
      },
    );
  }
}

/** What file and history have for undoing one migration. */
export interface DownFacts {
  /** `absent`: there is no file; `irreversible`: the file says that it cannot be undone. */
  readonly file: "absent" | "irreversible" | "dynamic" | "static";
  /** `superseded`: stored before a `repair` accepted the file as it is now. */
  readonly history: "none" | "stored" | "superseded";
  /** Whether both have the same SQL. Has no meaning unless both have SQL. */
  readonly agree: boolean;
}

export type DownDecision =
  /** `preferred`: the two disagree, and the caller prefers this one. */
  | { readonly source: DownSource; readonly preferred?: true }
  | { readonly refusal: ErrorCode; readonly reason: string; readonly hint: string | Hint };

/** How a disagreement of file and history is decided. */
export interface DownChoice {
  /** The source that a person has chosen. */
  readonly from?: DownSource | undefined;
  /** Take the history where the file disagrees with it. */
  readonly preferHistory?: boolean | undefined;
}

/** Decides for one migration. A disagreement is refused unless a person has chosen or the caller prefers the history. */
export function decideDown(facts: DownFacts, { from, preferHistory }: DownChoice): DownDecision {
  const decision = decideByFacts(facts, from);
  const disagree = "refusal" in decision && decision.refusal === "CHANGED";
  return disagree && preferHistory ? { source: "history", preferred: true } : decision;
}

function decideByFacts(facts: DownFacts, from: DownSource | undefined): DownDecision {
  if (from === "history") return facts.history === "none" ? NOTHING_STORED : { source: "history" };
  if (facts.file === "absent") {
    if (from === "file") return NO_FILE;
    return facts.history === "none" ? NEITHER : { source: "history" };
  }
  const alone = from === "file" || facts.history !== "stored";
  if (facts.file === "irreversible") return alone ? IRREVERSIBLE : DISAGREE;
  return alone || (facts.file === "static" && facts.agree) ? { source: "file" } : DISAGREE;
}

const NOTHING_STORED = {
  refusal: "MISSING",
  reason: "the history holds no SQL to undo it",
  hint: Hint.of`Undo it with its file: leave ${Hint.field("from", "history")} out.`,
} as const;

const NO_FILE = {
  refusal: "MISSING",
  reason: "there is no file to undo it with",
  hint: Hint.of`Bring the file back, or leave ${Hint.field("from", "file")} out to use the SQL stored when it was applied.`,
} as const;

const NEITHER = {
  refusal: "MISSING",
  reason: "there is no file to undo it with, and the history holds no SQL",
  hint: "Bring the file back, or check out the version of the code that has it.",
} as const;

const IRREVERSIBLE = {
  refusal: "IRREVERSIBLE",
  reason: "it has no way down",
  hint: 'Add a down section or function to it, or write a new migration that undoes it. A file says why it cannot be undone: export const irreversible = "the reason", in SQL the comment -- irreversible: the reason.',
} as const;

const DISAGREE = {
  refusal: "CHANGED",
  reason: "its file would undo it otherwise than was recorded when it was applied",
  hint: Hint.of`${Hint.command("down", { from: "history" })} undoes what was applied, as it was recorded; ${Hint.command("down", { from: "file" })} runs the down of the file as it is now. ${Hint.command("plan", { down: true })} with either of them shows its SQL.`,
} as const;

/** One migration of a run, with its SQL unless that depends on the database. */
export interface PlannedMigration {
  readonly name: string;
  readonly direction: Direction;
  readonly code: MigrationCode;
  readonly rendered: Rendered;
  /** Where the SQL comes from: the file, or the history. */
  readonly source: DownSource;
  /** Digest of the files, for the history. */
  readonly sourceDigest?: string | undefined;
  /** A person's word that it may run, for the history. */
  readonly note?: string | undefined;
  /** Why it is recorded as applied without running its SQL: the note for the history. */
  readonly recordedAs?: string | undefined;
  /** Digest of the plan that a person has approved, for the history. */
  readonly approvedPlan?: string | undefined;
  /** Where an earlier run has left this backfill. */
  readonly unfinished?: UnfinishedBackfill | undefined;
  /** Present when an earlier run has begun it. */
  readonly resumed?: Resumed | undefined;
}

/** Where an earlier attempt at a migration has stopped. */
export interface Resumed {
  /** Number of statements that it has finished. */
  readonly statement: number;
  /** What was recorded of the next statement, when it was a concurrent one whose end no run has seen. */
  readonly interrupted?: ConcurrentRecord | undefined;
}

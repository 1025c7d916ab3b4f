import {
  type DownSource,
  isOwnFault,
  MigrationError,
  type MigrationSource,
  type Observer,
  type PlanReport,
  type RunReport,
} from "../core/index.ts";
import { execute, executeFake } from "./apply.ts";
import { type Gate, gateDown, gateUp, requirePassage } from "./checks.ts";
import { loadOptions, locked, look, openLedger, runContext, type Workspace } from "./context.ts";
import {
  classify,
  countStates,
  headOf,
  isUpToDate,
  knownNames,
  namesIn,
  type Survey,
  upToDateReport,
} from "./database-state.ts";
import { readOrigins, readUpSql } from "./history/read.ts";
import { listTables } from "./history/tables.ts";
import type { Ledger } from "./history/write.ts";
import { takeBackRights } from "./history/writers.ts";
import { recordFiles } from "./history-entries.ts";
import { type Planned, planDown, planUp } from "./plan.ts";
import { previewMigrations } from "./preview.ts";
import { runAll } from "./run.ts";
import { type DownExtent, type Extent, selectDown, selectUp } from "./selection.ts";
import { maskSecrets } from "./sql/mask.ts";

/** How a run treats the SQL of its migrations: send it, or only record the migrations as done. */
export type Manner = "execute" | "fake";

export interface DownOptions extends DownExtent {
  /** Which SQL to undo with where file and history disagree. */
  readonly from?: DownSource;
  /** Take what was recorded where the file disagrees with it, instead of a refusal. */
  readonly preferHistory?: boolean;
}

/** What a run will do. */
interface Intent {
  readonly gate: Gate;
  readonly planned: readonly Planned[];
}

export async function up(workspace: Workspace, extent: Extent, manner: Manner): Promise<RunReport> {
  const wantsAll = extent.count === undefined && extent.to === undefined;
  if (wantsAll && (await isUpToDate(workspace))) return upToDateReport(workspace.source);
  const found = await look(workspace);
  const { gate, names } = wantedUp(workspace, found, extent);
  const idle = names.length === 0 && gate.refusals.length === 0;
  if (idle && !needsTakeOver(workspace, found)) return nothingRun(found, gate);
  return run(workspace, manner, (current) => intendUp(workspace, current, extent));
}

export function down(workspace: Workspace, options: DownOptions, manner: Manner): Promise<RunReport> {
  return run(workspace, manner, (found) =>
    manner === "fake" ? intendForget(workspace, found, options) : intendDown(workspace, found, options),
  );
}

export function redo(workspace: Workspace, options: DownOptions): Promise<RunReport> {
  return run(workspace, "execute", async (found) => {
    const { planned, gate } = await intendDown(workspace, found, options);
    const names = planned.map(({ name }) => name).reverse();
    return {
      gate,
      planned: [...planned, ...(await planUp(workspace.source, names, loadOptions(workspace)))],
    };
  });
}

/** Shows the SQL of a run that is refused too. Why it is refused must not be hidden by a file that cannot be built. */
export async function previewUp(workspace: Workspace, extent: Extent): Promise<PlanReport> {
  const { gate, names } = wantedUp(workspace, await look(workspace), extent);
  try {
    const planned = await planUp(workspace.source, names, loadOptions(workspace));
    return await preview(workspace, { gate, planned });
  } catch (error) {
    if (gate.refusals.length === 0 || !isOwnFault(error)) throw error;
    const { code, message, details } = error;
    const migrations = details.migration === undefined ? [] : [details.migration];
    const failure = { code, migrations, message, hint: details.hint ?? "" };
    return { steps: [], refusals: gate.refusals, warnings: [...gate.warnings, failure] };
  }
}

export async function previewDown(workspace: Workspace, options: DownOptions): Promise<PlanReport> {
  return preview(workspace, await intendDown(workspace, await look(workspace), options));
}

function wantedUp({ source, options }: Workspace, found: Survey, extent: Extent) {
  const names = selectUp(namesIn(found.classified, "pending"), knownNames(source), extent);
  return { gate: gateUp(found, options.order), names };
}

/** A run that is refused loads no file: one that is broken would hide the refusal. */
async function intendUp(workspace: Workspace, found: Survey, extent: Extent): Promise<Intent> {
  const { gate, names } = wantedUp(workspace, found, extent);
  if (gate.refusals.length > 0) return { gate, planned: [] };
  return { gate, planned: await planUp(workspace.source, names, loadOptions(workspace)) };
}

async function wantedDown(
  { session, tables }: Workspace,
  { existing, stored, classified }: Survey,
  options: DownOptions,
) {
  const end = classified.find(({ name }) => name === options.to);
  if (end?.state === "pending") throw notApplied(end.name);
  const byOrigin = options.batch || options.bundle !== undefined;
  const rows =
    byOrigin && existing.history
      ? await readOrigins(session, tables, existing)
      : stored.applied.map(({ name }) => ({ name, run: null, bundle: null }));
  return selectDown(rows, options);
}

function notApplied(name: string): MigrationError {
  return new MigrationError("USAGE", `migration ${name} is not applied: nothing can be undone down to it`, {
    hint: "Name the applied migration that is to be the last one; `status` lists them.",
  });
}

/** Only the record goes: whether and how a migration could be undone does not matter. */
async function intendForget(workspace: Workspace, found: Survey, options: DownOptions): Promise<Intent> {
  const names = await wantedDown(workspace, found, options);
  const built = { kind: "static", steps: [], transactional: true } as const;
  const none = { up: undefined, down: undefined, shorthands: {} };
  const planned = names.map((name): Planned => {
    const context = { name, actions: none, shorthands: {}, ...loadOptions(workspace) };
    return { name, direction: "down", context, built, source: "file" };
  });
  return { gate: gateDown(found.classified), planned };
}

async function intendDown(workspace: Workspace, found: Survey, options: DownOptions): Promise<Intent> {
  const { session, tables, source } = workspace;
  const names = await wantedDown(workspace, found, options);
  const gate = gateDown(found.classified);
  if (gate.refusals.length > 0) return { gate, planned: [] };
  const request = {
    names,
    from: options.from,
    preferHistory: options.preferHistory,
    applied: found.stored.applied,
    existing: found.existing,
  };
  const planned = await planDown(session, tables, source, request, loadOptions(workspace));
  return { gate, planned };
}

async function preview({ session }: Workspace, { gate, planned }: Intent): Promise<PlanReport> {
  return { steps: await previewMigrations(session, planned), ...gate };
}

function run(
  workspace: Workspace,
  manner: Manner,
  decide: (found: Survey) => Promise<Intent>,
): Promise<RunReport> {
  return locked(workspace, async (found) => {
    const { gate, planned } = await decide(found);
    await pass(workspace, gate, found);
    if (planned.length === 0 && !needsTakeOver(workspace, found)) return nothingRun(found, gate);
    const ledger = await openLedger(workspace, found, (fresh) =>
      takeOver(workspace, unrecorded(found, workspace.source), fresh),
    );
    const { observe } = workspace;
    const recording: Observer = (event) =>
      observe(event.type === "finished" ? { ...event, recorded: true } : event);
    const observed = manner === "fake" ? { ...workspace, observe: recording } : workspace;
    const context = runContext(observed, ledger);
    const completed = await runAll(context, planned, manner === "fake" ? executeFake : execute);
    return afterRun(workspace, found, { run: ledger.run, completed, warnings: gate.warnings });
  });
}

/** On first contact the history is made even where no file is left to record. */
function needsTakeOver({ source }: Workspace, found: Survey): boolean {
  const firstContact = !found.existing.history && found.stored.applied.length > 0;
  return firstContact || unrecorded(found, source).length > 0;
}

/**
 * What the database is like after a run that succeeded. Reckoned, not asked: a cancel in this moment must not turn
 * a finished run into a failed one.
 */
async function afterRun(
  { session, source, tables, observe }: Workspace,
  found: Survey,
  done: Pick<RunReport, "run" | "completed" | "warnings">,
): Promise<RunReport> {
  const applied = new Set(found.stored.applied.map(({ name }) => name));
  const changed = new Set(found.changed.keys());
  for (const { migration, direction } of done.completed) {
    if (direction === "up") applied.add(migration);
    else applied.delete(migration);
    changed.delete(migration);
  }
  const partial = new Set(namesIn(found.classified, "partial"));
  const classified = classify({ entries: source.entries, applied: [...applied], changed, partial });
  const own = await session
    .enterEngine()
    // A migration may have granted all on all tables.
    .then(() => takeBackRights(session, tables, observe))
    .then(() => listTables(session, tables))
    .catch(() => null);
  return {
    ...done,
    head: classified.findLast(({ name }) => applied.has(name))?.name ?? null,
    pending: namesIn(classified, "pending"),
    counts: countStates(classified),
    tables: own,
  };
}

/** @throws MigrationError for the gravest refusal; a changed migration's with what differs */
async function pass({ session, tables }: Workspace, gate: Gate, found: Survey): Promise<void> {
  try {
    requirePassage(gate);
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== "CHANGED") throw error;
    const before = await readUpSql(session, tables, found.existing, [...found.changed.keys()]);
    const changes = [...found.changed]
      .filter(([migration]) => !found.superseded.has(migration))
      .map(([migration, after]) => ({
        migration,
        // Once more: an older version masked each character, and the mask is no difference.
        before: before.get(migration)?.map(maskSecrets) ?? null,
        after: (after ?? []).map(maskSecrets),
      }));
    const order = found.stored.applied.map(({ name }) => name);
    const oldest = Math.min(...changes.map(({ migration }) => order.indexOf(migration)));
    throw error.with({ changes, redo: order.length - oldest });
  }
}

function nothingRun(found: Survey, { warnings }: Gate): RunReport {
  const { classified } = found;
  return {
    ...{ run: null, completed: [], head: headOf(found), pending: namesIn(classified, "pending") },
    ...{ counts: countStates(classified), tables: null, warnings },
  };
}

/**
 * Applied migrations of which nothing is on record, although their files are here: plain node-pg-migrate has applied
 * them, before this engine met the database or since.
 */
export function unrecorded({ stored }: Survey, { entries }: MigrationSource): string[] {
  const present = new Set(entries.map(({ name }) => name));
  return stored.applied.flatMap((m) => (m.sourceDigest === null && present.has(m.name) ? [m.name] : []));
}

/** The files as they are now are taken for what was applied, so that later changes are noticed. Runs none of them. */
export async function takeOver(
  workspace: Workspace,
  names: readonly string[],
  ledger: Ledger,
): Promise<string[]> {
  const files = await recordFiles(workspace.source, names, loadOptions(workspace));
  const note = "taken over from node-pg-migrate";
  return files.map((file) => ledger.recordAbout({ note, ...file, action: "baseline", state: "finished" }));
}

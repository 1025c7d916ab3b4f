import { type DescribedFile, recordFiles } from "../build/describe.ts";
import { planUp } from "../build/plan-up.ts";
import { ENGINE_SCOPE } from "../connection/prepare.ts";
import { MigrationError } from "../errors.ts";
import type { SettleReport } from "../report.ts";
import { Attempt } from "../run/execute.ts";
import { DIGEST_VERSION, sqlDigest } from "../sql/digest.ts";
import { maskSecrets } from "../sql/mask.ts";
import type { HistoryEntry, Ledger } from "../store/write.ts";
import { headOf, knownNames, namesIn, type Survey } from "../survey.ts";
import { loadOptions, locked, openLedger, runContext, type Workspace } from "../workspace.ts";

/** What became of a migration that stopped half-way, or what is to become of it. */
export type Outcome = "retry" | "applied" | "reverted";

/** Accepts changed files: their present SQL counts as what was applied. Names none: all that are changed. */
export function repair(workspace: Workspace, names: readonly string[], note?: string): Promise<SettleReport> {
  return locked(workspace, async (found) => {
    const changed = namesIn(found.classified, "changed");
    const stranger = names.find((name) => !changed.includes(name));
    if (stranger !== undefined) throw notChanged(stranger, found);
    const wanted = names.length > 0 ? names : changed;
    if (wanted.length === 0) return report(found, []);
    const ledger = await openLedger(workspace, found);
    const entries = await recordFiles(workspace.source, wanted, loadOptions(workspace));
    const rows = entries.map((entry) =>
      ledger.recordAbout({
        ...entry,
        ...builtSql(found, entry),
        action: "repair",
        state: "finished",
        ...reason(note),
      }),
    );
    await write(workspace, rows);
    return report(found, wanted);
  });
}

/** To compare it, its `up` was built already: the next comparison can be of the SQL again. */
function builtSql(found: Survey, { migration }: DescribedFile): Partial<DescribedFile> {
  const steps = found.changed.get(migration);
  if (steps === undefined) return {};
  return { digestVersion: DIGEST_VERSION, sqlDigest: sqlDigest(steps), upSql: steps.map(maskSecrets) };
}

/** Declares a database that was made otherwise to be at a migration: it and all before it count as applied. */
export function baseline(workspace: Workspace, to?: string, note?: string): Promise<SettleReport> {
  return locked(workspace, async (found) => {
    const { applied } = found.stored;
    if (applied.length > 0) throw alreadyManaged(applied.length);
    const names = asFarAs(knownNames(workspace.source), to);
    const ledger = await openLedger(workspace, found);
    const entries = await recordFiles(workspace.source, names, loadOptions(workspace));
    const rows = entries.map((entry) =>
      ledger.recordApplied({ ...entry, action: "baseline", state: "finished", ...reason(note) }),
    );
    await write(workspace, rows);
    return { ...report(found, names), head: names.at(-1) ?? null };
  });
}

function asFarAs(known: readonly string[], to: string | undefined): readonly string[] {
  if (to === undefined) return [];
  const end = known.indexOf(to);
  if (end >= 0) return known.slice(0, end + 1);
  throw new MigrationError("USAGE", `there is no migration named "${to}" to be at`);
}

/** Settles a migration that stopped half-way: goes on after its last finished statement, or records how it ended. */
export function resolve(
  workspace: Workspace,
  name: string,
  outcome: Outcome,
  note?: string,
): Promise<SettleReport> {
  return locked(workspace, async (found) => {
    const partial = found.stored.partial.find((one) => one.name === name);
    if (partial === undefined) throw notPartial(name, found);
    const ledger = await openLedger(workspace, found);
    if (outcome === "retry") {
      await retry(workspace, ledger, partial);
      const row = {
        migration: name,
        action: "resolve",
        state: "finished",
        ...reason(note ?? outcome),
      } as const;
      await write(workspace, [ledger.record(row)]);
      return report(found, [name]);
    }
    const appliedNow = found.stored.applied.some((one) => one.name === name);
    const entry = await resolution(workspace, { name, becomesApplied: outcome === "applied" && !appliedNow });
    const row = { ...entry, action: "resolve", state: "finished", ...reason(note ?? outcome) } as const;
    await write(workspace, [moveTo(ledger, row, { from: appliedNow, to: outcome === "applied" })]);
    return report(found, [name]);
  });
}

/** Where the record says already how it ended, only the decision is noted. */
function moveTo(ledger: Ledger, row: HistoryEntry, applied: { from: boolean; to: boolean }): string {
  if (applied.from === applied.to) return ledger.record(row);
  return applied.to ? ledger.recordApplied(row) : ledger.recordUnapplied(row);
}

async function retry(
  workspace: Workspace,
  ledger: Ledger,
  partial: Survey["stored"]["partial"][number],
): Promise<void> {
  const { session, source } = workspace;
  if (partial.direction === "down") throw retryOfDown(partial.name);
  const [planned] = await planUp(source, [partial.name], loadOptions(workspace));
  if (planned === undefined || planned.built.kind !== "static" || planned.built.transactional) {
    throw new MigrationError(
      "USAGE",
      `migration ${partial.name} cannot be continued statement by statement`,
      {
        migration: partial.name,
        hint: "Finish it by hand, then resolve it as --applied or --reverted.",
      },
    );
  }
  await session.enterMigration();
  const context = runContext(workspace, ledger, { total: 1, durability: "every" });
  await new Attempt(context, planned).statementByStatement(planned.built, {
    statement: partial.statement,
    records: [],
  });
}

async function resolution(
  workspace: Workspace,
  { name, becomesApplied }: { name: string; becomesApplied: boolean },
): Promise<DescribedFile> {
  const hasFile = workspace.source.entries.some((entry) => entry.name === name);
  const [described] =
    becomesApplied && hasFile ? await recordFiles(workspace.source, [name], loadOptions(workspace)) : [];
  return described ?? { migration: name };
}

function write({ session }: Workspace, statements: readonly string[]): Promise<void> {
  return session.run(["BEGIN READ WRITE", ...ENGINE_SCOPE, ...statements, "COMMIT"].join("; "));
}

const reason = (note: string | undefined): Partial<HistoryEntry> => (note === undefined ? {} : { note });

function report(found: Survey, migrations: readonly string[]): SettleReport {
  return { migrations, head: headOf(found) };
}

function notChanged(name: string, { classified }: Survey): MigrationError {
  const state = classified.find((one) => one.name === name)?.state;
  const what = state === undefined ? "is not known" : `is ${state}, not changed`;
  return new MigrationError("USAGE", `migration ${name} ${what}: there is nothing to repair`);
}

function notPartial(name: string, { stored }: Survey): MigrationError {
  const names = stored.partial.map((one) => one.name);
  const hint = names.length === 0 ? "No migration is half-done." : `Half-done: ${names.join(", ")}.`;
  return new MigrationError("USAGE", `migration ${name} did not stop half-way: there is nothing to resolve`, {
    hint,
  });
}

function alreadyManaged(count: number): MigrationError {
  return new MigrationError(
    "USAGE",
    `migrations are applied to this database already (${count}): it needs no baseline`,
  );
}

function retryOfDown(name: string): MigrationError {
  return new MigrationError("USAGE", `undoing ${name} stopped half-way, which cannot be continued`, {
    migration: name,
    hint: "Finish it by hand, then resolve it as --reverted; or put back what is gone, then as --applied.",
  });
}

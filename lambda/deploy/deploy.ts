import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { readPlan } from "../../lib/commands/index.ts";
import {
  type Approval,
  type Finding,
  given,
  MigrationError,
  type RunReport,
  type StatusReport,
} from "../../lib/core/index.ts";
import type { DeployKnowledge, Migrator } from "../../lib/engine/index.ts";
import { ASSET, type DeployData, ENV, NOT_ASKED, type OnRollback } from "../contract.ts";
import { findingsOnAws } from "../runtime/advice.ts";
import { openAsset } from "../runtime/asset.ts";
import { type EngineSetup, withEngine, withSession } from "../runtime/engine.ts";
import { describeError } from "../runtime/failure-log.ts";
import type { Invocation } from "../runtime/invocation.ts";
import { type Environment, readRoot, readSettings, type Settings } from "../runtime/settings.ts";
import { sliceOutcome } from "../runtime/slice.ts";
import { type Decision, decide, explain, OTHER_CODE } from "./decide.ts";
import type { DeployEvent } from "./event.ts";
import { hasTimeForAnother } from "./slices.ts";

/** The result of a deploy that did not fail. */
export interface DeployOutcome {
  readonly data: DeployData;
  /** How many migrations were applied or undone. */
  readonly completed: number;
  /** The deploy succeeds, but an operator must look at it: for example, a rollback could not undo. */
  readonly failed: boolean;
  /** Nothing has run: migrations are pending, and the event wants a snapshot before they run. */
  readonly awaitsSnapshot?: true;
  /** The slice has made progress, and the deploy has time for another one, which is to go on. */
  readonly unfinished?: true;
  /** How many migrations an unfinished slice had still to do, as far as it knows. */
  readonly remaining?: number | undefined;
}

/** @throws MigrationError for a deploy that failed; errors of a rollback are logged */
export async function deploy(
  event: DeployEvent,
  invocation: Invocation,
  env: Environment,
): Promise<DeployOutcome> {
  const source = openAsset(readRoot(env));
  const options = env[ENV.options] ?? "{}";
  const decision = decide(event, { manifest: source.manifest, onRollback: readOnRollback(env), options });
  invocation.log.info(`decided: ${decision.kind}`, explain(decision));
  const run: Run = async (step, mayFail) => {
    const settings = settingsFor(env, { mayFail });
    const deploy = { previous: deployedBefore(event) };
    const setup: EngineSetup = { settings, source, origin: "deploy", actor: event.resource, deploy };
    try {
      const { goesOn, ...outcome } = await withEngine(invocation, setup, (migrator) =>
        step(migrator, invocation),
      );
      const isUnfinished = goesOn && hasTimeForAnother(event.slice, invocation);
      return isUnfinished ? { ...outcome, unfinished: true } : outcome;
    } catch (error) {
      // The session that holds the lock may be the one that an earlier slice has left at work.
      const limits = event.slice?.isLater ? {} : settings.options;
      const mayGoOn = sliceOutcome({ error }, limits) === "continue";
      if (mayGoOn && hasTimeForAnother(event.slice, invocation)) return unfinished(error, invocation);
      if (mayFail) throw error;
      return logFailure(error, invocation);
    }
  };
  if (isSnapshotDue(event, decision)) {
    const outcome = await run(reportWork, true);
    if (outcome.awaitsSnapshot && !(await isEmptyDatabase(invocation, env))) return outcome;
  }
  return carryOut(decision, event, env, run);
}

/** Runs a step with the engine. Unless it may fail, its errors are logged. */
type Run = (step: Step, mayFail: boolean) => Promise<DeployOutcome>;

async function carryOut(
  decision: Decision,
  event: DeployEvent,
  env: Environment,
  run: Run,
): Promise<DeployOutcome> {
  switch (decision.kind) {
    case "refuse":
      throw otherCode();
    case "skip":
      return NOT_CONNECTED;
    case "apply":
      return run(applyStep(env, decision), decision.mayFail);
    case "report":
      return run(reportState, false);
    case "apply-if-pending": {
      const outcome = await run(reportState, decision.mayFail);
      return hasPending(outcome) ? run(applyStep(env, decision), true) : outcome;
    }
    case "undo": {
      const outcome = await run((migrator, invocation) => undo(migrator, decision, invocation), false);
      if (outcome.unfinished) return outcome;
      const mayFail = !(event.type === "Update" && event.direction === "rollback");
      return decision.applyAfterwards ? run(applyStep(env, { mayFail }), mayFail) : outcome;
    }
  }
}

/** What a rollback brings back was approved when it was deployed. */
function applyStep(env: Environment, { mayFail }: { readonly mayFail: boolean }): Step {
  const approved = mayFail ? readApprovedPlan(env) : undefined;
  return (migrator, invocation) => applyPending(migrator, invocation, approved);
}

type Step = (migrator: Migrator, invocation: Invocation) => Promise<StepOutcome>;

/** `goesOn`: the server goes on with the last statement, and another slice could see its end. */
type StepOutcome = DeployOutcome & { readonly goesOn?: boolean };

function otherCode(): MigrationError {
  return new MigrationError("ASSET", OTHER_CODE, {
    hint: "Was the function changed by hand, or by --hotswap? Deploy again, and leave it as the deploy makes it.",
  });
}

/** A return makes no snapshot: it must not depend on one. */
function isSnapshotDue({ awaitSnapshot }: DeployEvent, decision: Decision): boolean {
  const applies = decision.kind === "apply" || decision.kind === "apply-if-pending";
  return awaitSnapshot === true && applies && decision.mayFail;
}

/** A first deploy: a snapshot of nothing would only take its minutes. */
function isEmptyDatabase(invocation: Invocation, env: Environment): Promise<boolean> {
  return withSession(invocation, readSettings(env), async (session) => {
    const [row] = await session.rows<{ empty: boolean }>(`
      SELECT NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
                          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                            AND d.deptype = 'e')
      ) AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_largeobject_metadata) AS empty`);
    const isEmpty = row?.empty === true;
    if (isEmpty) invocation.log.info("the database is empty: no snapshot is made of it");
    return isEmpty;
  });
}

function hasPending({ data }: DeployOutcome): boolean {
  return Number(data.PendingCount) > 0;
}

/** An invalid value counts as `keep`, which changes nothing. */
export function readOnRollback(env: Environment): OnRollback {
  return v.parse(v.fallback(v.picklist(["keep", "down"]), "keep"), env[ENV.onRollback]);
}

/** What must not fail, such as a return, is neither refused by the pre-flight check nor measured. */
function settingsFor(env: Environment, { mayFail }: { readonly mayFail: boolean }): Settings {
  const settings = readSettings(env);
  if (mayFail) return settings;
  const { maxLockMs: _, ...options } = settings.options;
  return {
    ...settings,
    options: options.preflight === "strict" ? { ...options, preflight: "warn" } : options,
  };
}

/**
 * The release that was deployed successfully before, and to which a rollback returns. In a rollback, the event's previous
 * release is the one that failed; without CloudFormation's word it may be.
 */
export function deployedBefore(event: DeployEvent): DeployKnowledge["previous"] {
  if (event.type !== "Update" || event.direction !== "forward" || event.previous === undefined)
    return undefined;
  const { hash: release, revision, contracts } = event.previous;
  return { release, revision, contracts };
}

/**
 * The plan that a deploy is held to: its file, or only its digest.
 * @throws MigrationError `USAGE` for a file that cannot be read by this version
 */
function readApprovedPlan(env: Environment): Approval | undefined {
  const digest = env[ENV.approvedPlan];
  if (digest === undefined) return undefined;
  const path = join(readRoot(env), ASSET.approvedPlan);
  return existsSync(path) ? readPlan(readFileSync(path, "utf8"), "approvedPlan", "up") : digest;
}

async function applyPending(
  migrator: Migrator,
  invocation: Invocation,
  approved: Approval | undefined,
): Promise<StepOutcome> {
  const report = await migrator.up(given({ approved }));
  warn(invocation, report.warnings);
  const completed = report.completed.length;
  for (const { migration, waitsFor } of report.waiting)
    invocation.log.info(`${migration} waits: ${waitsFor.message}`, { after: waitsFor.after });
  const left = report.background?.migration;
  const nothing = left === undefined ? "nothing was pending" : "nothing was applied to the end";
  invocation.log.info(completed === 0 ? nothing : `applied ${completed}`, {
    migrations: report.completed.map(({ migration }) => migration).slice(0, 50),
    head: report.head,
    ...given({ background: left }),
  });
  const goesOn = sliceOutcome({ report }, {}) === "continue";
  return { data: dataOf(report, left), completed, failed: false, goesOn };
}

async function undo(
  migrator: Migrator,
  { release, isInCurrent }: Extract<Decision, { kind: "undo" }>,
  { log }: Invocation,
): Promise<DeployOutcome> {
  const report = await migrator.down({ release: { hash: release, isKept: isInCurrent }, from: "history" });
  const completed = report.completed.length;
  log.info(completed === 0 ? "there was nothing to undo" : `undid ${completed}`, {
    migrations: report.completed.map(({ migration }) => migration).slice(0, 50),
    head: report.head,
  });
  return { data: dataOf(report), completed, failed: false };
}

async function reportState(migrator: Migrator, invocation: Invocation): Promise<DeployOutcome> {
  const status = await migrator.status();
  warn(invocation, [...status.refusals, ...status.warnings]);
  // After a rollback nothing is pending: a migration that is pending now was to be deployed.
  return { data: dataOf(status, runningIn(status)), completed: 0, failed: dueIn(status) > 0 };
}

/** Whether `up` would run a migration. A run that is refused needs no snapshot, and fails at once. */
async function reportWork(migrator: Migrator, { log }: Invocation): Promise<DeployOutcome> {
  const status = await migrator.status();
  const outcome = { data: dataOf(status, runningIn(status)), completed: 0, failed: false };
  const pending = dueIn(status);
  if (pending === 0 || status.refusals.length > 0) return outcome;
  log.info(`${pending} pending: a snapshot is made before they run`);
  return { ...outcome, awaitsSnapshot: true };
}

/** A stack that cannot roll back is worse than a database that is ahead of it: the deploy succeeds. */
function logFailure(error: unknown, { log }: Invocation): DeployOutcome {
  // The hint is for an operator who undoes by hand.
  const { hint: _, ...fields } = describeError(error);
  log.error("the database was left as it is", fields);
  const undone = error instanceof MigrationError ? (error.details.undone ?? []) : [];
  return { ...NOT_CONNECTED, completed: undone.length, failed: true };
}

/** The outcome of a slice that failed because it had too little time, and that another one goes on from. */
function unfinished(error: unknown, { log }: Invocation): DeployOutcome {
  const { applied = [], undone = [], remaining } = error instanceof MigrationError ? error.details : {};
  log.info("another invocation goes on with the deploy", describeError(error));
  return {
    data: NOT_ASKED,
    completed: applied.length + undone.length,
    failed: false,
    unfinished: true,
    remaining: remaining?.length,
  };
}

/** What the pre-flight check found was logged before the run. */
function warn({ log }: Invocation, findings: readonly Finding[]): void {
  const rest = findings.filter(({ code }) => code !== "PREFLIGHT");
  for (const { code, message, hint } of findingsOnAws(rest)) log.warn(message, { code, hint });
}

type Counted = Pick<RunReport | StatusReport, "head" | "counts" | "waiting">;

/** @param background migration whose last statement the server goes on with */
function dataOf({ head, counts, waiting }: Counted, background = "none"): DeployData {
  const { applied, changed, missing, ahead } = counts;
  return {
    Head: head ?? "none",
    AppliedCount: String(applied + changed + missing + ahead),
    PendingCount: String(dueIn({ counts, waiting })),
    AheadCount: String(ahead),
    WaitingCount: String(waiting.length),
    Background: background,
  };
}

function runningIn({ migrations }: StatusReport): string | undefined {
  return migrations.find(({ background }) => background?.running)?.name;
}

/** How many pending migrations wait for nothing. */
function dueIn({ counts, waiting }: Pick<Counted, "counts" | "waiting">): number {
  return counts.pending - waiting.length;
}

/** All attributes are there: a template may use any of them. */
const NOT_CONNECTED: DeployOutcome = { data: NOT_ASKED, completed: 0, failed: false };

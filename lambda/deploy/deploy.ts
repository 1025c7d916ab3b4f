import * as v from "valibot";
import { type Finding, MigrationError, type RunReport, type StatusReport } from "../../lib/core/index.ts";
import type { Migrator } from "../../lib/migrator/index.ts";
import { type DeployData, ENV, NOT_ASKED, type OnRollback } from "../contract.ts";
import { findingsInLambda } from "../runtime/advice.ts";
import { type AssetSource, openAsset } from "../runtime/asset.ts";
import { type EngineSetup, withEngine } from "../runtime/engine.ts";
import { describeError } from "../runtime/failure-log.ts";
import type { Invocation } from "../runtime/invocation.ts";
import { type Environment, readRoot, readSettings } from "../runtime/settings.ts";
import { type Decision, decide } from "./decide.ts";
import type { DeployEvent } from "./event.ts";
import { explain, OTHER_CODE } from "./explain.ts";

/** What became of a deploy that did not fail. */
export interface Answer {
  readonly data: DeployData;
  /** How many migrations were applied or undone. */
  readonly completed: number;
  /** Something to look at, though the deploy goes on: a rollback that could not undo. */
  readonly failed: boolean;
}

/** @throws MigrationError for a deploy that failed; what goes wrong in a rollback is logged */
export async function deploy(event: DeployEvent, invocation: Invocation, env: Environment): Promise<Answer> {
  const source = openAsset(readRoot(env));
  const options = env[ENV.options] ?? "{}";
  const decision = decide(event, { manifest: source.manifest, onRollback: readOnRollback(env), options });
  invocation.log.info(`decided: ${decision.kind}`, explain(decision));
  const work: Work = (perform) => withEngine(invocation, setupOf(event, env, source), perform);
  const withoutFailing = (perform: Perform) =>
    work(perform).catch((error: unknown) => leftAsItIs(error, invocation));
  const run: Perform = (migrator) => applyPending(migrator, invocation);
  const look: Perform = (migrator) => report(migrator, invocation);
  switch (decision.kind) {
    case "refuse":
      throw otherCode();
    case "keep":
      return UNTOUCHED;
    case "run":
      return decision.fails ? work(run) : withoutFailing(run);
    case "look":
      return withoutFailing(look);
    case "check": {
      const answer = await (decision.fails ? work(look) : withoutFailing(look));
      return hasPending(answer) ? work(run) : answer;
    }
    case "undo": {
      const answer = await withoutFailing((migrator) => undo(migrator, decision, invocation));
      if (!decision.bringsNew) return answer;
      return event.type === "Update" && event.direction === "rollback" ? withoutFailing(run) : work(run);
    }
  }
}

type Perform = (migrator: Migrator) => Promise<Answer>;
type Work = (perform: Perform) => Promise<Answer>;

function otherCode(): MigrationError {
  return new MigrationError("ASSET", OTHER_CODE, {
    hint: "Was the function changed by hand, or by --hotswap? Deploy again, and leave it as the deploy makes it.",
  });
}

function hasPending({ data }: Answer): boolean {
  return Number(data.PendingCount) > 0;
}

/** What is nobody's mistake leaves the stack as it was before: `keep`. */
export function readOnRollback(env: Environment): OnRollback {
  return v.parse(v.fallback(v.picklist(["keep", "down"]), "keep"), env[ENV.onRollback]);
}

function setupOf(event: DeployEvent, env: Environment, source: AssetSource): EngineSetup {
  return { settings: readSettings(env), source, origin: "deploy", actor: event.resource };
}

async function applyPending(migrator: Migrator, invocation: Invocation): Promise<Answer> {
  const report = await migrator.up();
  warn(invocation, report.warnings);
  const completed = report.completed.length;
  invocation.log.info(completed === 0 ? "nothing was pending" : `applied ${completed}`, {
    migrations: report.completed.map(({ migration }) => migration).slice(0, 50),
    head: report.head,
  });
  return { data: dataOf(report), completed, failed: false };
}

async function undo(
  migrator: Migrator,
  { bundle, isKept }: Extract<Decision, { kind: "undo" }>,
  { log }: Invocation,
): Promise<Answer> {
  const report = await migrator.down({ bundle: { hash: bundle, isKept }, from: "history" });
  const completed = report.completed.length;
  log.info(completed === 0 ? "there was nothing to undo" : `undid ${completed}`, {
    migrations: report.completed.map(({ migration }) => migration).slice(0, 50),
    head: report.head,
  });
  return { data: dataOf(report), completed, failed: false };
}

async function report(migrator: Migrator, invocation: Invocation): Promise<Answer> {
  const status = await migrator.status();
  warn(invocation, [...status.refusals, ...status.warnings]);
  // After a rollback nothing is pending. What is pending here was to be deployed, and was not.
  return { data: dataOf(status), completed: 0, failed: status.counts.pending > 0 };
}

/** A return succeeds whatever happens: a stack that cannot roll back is worse than a database that is ahead of it. */
function leftAsItIs(error: unknown, { log }: Invocation): Answer {
  // The engine's advice is for somebody who undoes by hand.
  const { hint: _, ...known } = describeError(error);
  log.error("the database was left as it is", known);
  const undone = error instanceof MigrationError ? (error.details.undone ?? []) : [];
  return { ...UNTOUCHED, completed: undone.length, failed: true };
}

function warn({ log }: Invocation, findings: readonly Finding[]): void {
  for (const { code, message, hint } of findingsInLambda(findings)) log.warn(message, { code, hint });
}

function dataOf({ head, counts }: Pick<RunReport | StatusReport, "head" | "counts">): DeployData {
  const { applied, changed, missing, ahead, pending } = counts;
  return {
    Head: head ?? "none",
    AppliedCount: String(applied + changed + missing + ahead),
    PendingCount: String(pending),
    AheadCount: String(ahead),
  };
}

/** The attributes are there even so: a template that uses one must not fail for want of it. */
const UNTOUCHED: Answer = { data: NOT_ASKED, completed: 0, failed: false };

import * as v from "valibot";
import {
  type Finding,
  MigrationError,
  type Migrator,
  type RunReport,
  type StatusReport,
} from "../../lib/migrator/index.ts";
import { type DeployData, ENV } from "../contract.ts";
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

/** @throws MigrationError for a run that failed; what stands in the way of anything else is logged */
export async function deploy(event: DeployEvent, invocation: Invocation, env: Environment): Promise<Answer> {
  const source = openAsset(readRoot(env));
  const options = env[ENV.options] ?? "{}";
  const decision = decide(event, { manifest: source.manifest, onRollback: readOnRollback(env), options });
  invocation.log.info(`decided: ${decision.kind}`, explain(decision));
  if (decision.kind === "refuse") {
    throw new MigrationError("USAGE", OTHER_CODE, {
      hint: "Was the function changed by hand, or by --hotswap? Deploy again, and leave it as the deploy makes it.",
    });
  }
  if (decision.kind === "keep") return keep(event, decision.brought, invocation);
  if (decision.kind === "nothing" && !decision.look) return untouched(event);
  const perform = (migrator: Migrator): Promise<Answer> => {
    if (decision.kind === "run") return run(migrator, invocation);
    return decision.kind === "undo" ? undo(migrator, decision, invocation) : look(migrator, invocation);
  };
  try {
    return await withEngine(invocation, setupOf(event, env, source), perform);
  } catch (error) {
    if (decision.kind === "run") throw error;
    return leftAsItIs(event, error, invocation);
  }
}

/** What is nobody's mistake leaves the stack as it was before: `keep`. */
function readOnRollback(env: Environment): "keep" | "down" {
  return v.parse(v.fallback(v.picklist(["keep", "down"]), "keep"), env[ENV.onRollback]);
}

function setupOf(event: DeployEvent, env: Environment, source: AssetSource): EngineSetup {
  return { settings: readSettings(env), source, origin: "deploy", actor: event.resource };
}

async function run(migrator: Migrator, invocation: Invocation): Promise<Answer> {
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

function keep(event: DeployEvent, brought: readonly string[], { log }: Invocation): Answer {
  if (brought.length > 0)
    log.warn("new among the older migrations, and not applied", { migrations: brought });
  return { ...untouched(event), failed: brought.length > 0 };
}

async function look(migrator: Migrator, invocation: Invocation): Promise<Answer> {
  const report = await migrator.status();
  warn(invocation, [...report.refusals, ...report.warnings]);
  // After a rollback nothing is pending. What is pending here was to be deployed, and was not.
  return { data: dataOf(report), completed: 0, failed: report.counts.pending > 0 };
}

/** A return succeeds whatever happens: a stack that cannot roll back is worse than a database that is ahead of it. */
function leftAsItIs(event: DeployEvent, error: unknown, { log }: Invocation): Answer {
  // The engine's advice is for somebody who undoes by hand.
  const { hint: _, ...known } = describeError(error);
  log.error("the database was left as it is", known);
  const undone = error instanceof MigrationError ? (error.details.applied ?? []) : [];
  return { ...untouched(event), completed: undone.length, failed: true };
}

function warn({ log }: Invocation, findings: readonly Finding[]): void {
  for (const { code, message, hint } of findings) log.warn(message, { code, hint });
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

const UNKNOWN = "unknown";

/** The attributes are there even so: a template that uses one must not fail for want of it. */
function untouched(event: DeployEvent): Answer {
  const head = event.type === "Delete" ? undefined : event.now.head;
  const data = { Head: head ?? UNKNOWN, AppliedCount: UNKNOWN, PendingCount: UNKNOWN, AheadCount: UNKNOWN };
  return { data, completed: 0, failed: false };
}

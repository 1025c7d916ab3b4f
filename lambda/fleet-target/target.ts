import * as v from "valibot";
import {
  compareMigrations,
  ERRORS,
  given,
  isErrorCode,
  MigrationError,
  property,
} from "../../lib/core/index.ts";
import type { Migrator } from "../../lib/engine/index.ts";
import { type FleetTarget, failedOutcome, type Outcome, targetOptions } from "../../lib/fleet/index.ts";
import { ENV } from "../contract.ts";
import { ITEM, type Item, requireOwnLogin, type TargetRequest } from "../fleet/item.ts";
import { adviseInFleet } from "../runtime/advice.ts";
import { type AssetSource, openAsset } from "../runtime/asset.ts";
import { type EngineSetup, withEngine } from "../runtime/engine.ts";
import { describeError } from "../runtime/failure-log.ts";
import { beginInvocation, type Invocation, type LambdaContext } from "../runtime/invocation.ts";
import type { Redactor } from "../runtime/redactor.ts";
import { problemsOf } from "../runtime/schema.ts";
import { type Environment, type Login, readRoot, readSettings, type Settings } from "../runtime/settings.ts";
import { LONGEST_WAIT_SECONDS, secondsToWait, sliceOutcome } from "../runtime/slice.ts";
import {
  changed,
  explained,
  isOutOfReach,
  type OthersWork,
  planned,
  seen,
  stateAfter,
  type TargetReport,
  unchanged,
  workOf,
} from "./outcome.ts";

/** What a function may do with a target. */
export type TargetAccess = "read" | "write";

/**
 * What a slice on one target answers. A failure is an answer, too: the state machine knows no codes, and must not try it
 * again.
 */
export interface TargetAnswer {
  readonly outcome: "done" | "continue" | "failed";
  /** Of "continue": what the next slice gets, and how long it is waited for. */
  readonly next?: Item;
  readonly waitSeconds?: number;
  /** Of "failed". */
  readonly code?: string;
  readonly answer: Outcome;
}

/** Runs one slice on one target, and says what became of it. */
export async function answerTarget(
  payload: unknown,
  context: LambdaContext,
  env: Environment,
  access: TargetAccess,
): Promise<TargetAnswer> {
  const invocation = beginInvocation(context);
  const startedAt = performance.now();
  let before = 0;
  let answer: TargetAnswer;
  try {
    const item = parseItem(payload, access);
    before = item.slice.completed ?? 0;
    invocation.log.info(`${item.request.command} on ${item.target.name}`, item.slice);
    answer = await runSlice(item, invocation, env);
  } catch (error) {
    const outcome = failedOutcome(targetName(payload), explained(error, invocation.redactor));
    invocation.log.error(`${outcome.target} failed`, describeError(error));
    answer = { outcome: "failed", code: outcome.code ?? "INTERNAL", answer: outcome };
  }
  const { completed, pending } = answer.answer;
  invocation.log.metrics({
    failed: answer.outcome === "failed" && isFault(answer.code),
    completed: completed - before,
    durationMs: performance.now() - startedAt,
    ...given({ pending }),
    ...invocation.counts,
  });
  return answer;
}

/** An invalid payload must not raise an alarm. */
function isFault(code: string | undefined): boolean {
  return !isErrorCode(code) || ERRORS[code].fault !== "request";
}

const READS: readonly TargetRequest["command"][] = ["status", "plan"];

function parseItem(payload: unknown, access: TargetAccess): Item {
  const parsed = v.safeParse(ITEM, payload);
  if (!parsed.success) {
    throw new MigrationError("USAGE", `this is no target of a fleet: ${problemsOf(parsed.issues)}`, {
      hint: "This function is for the state machines of the fleet: start an execution.",
    });
  }
  const { command } = parsed.output.request;
  if (READS.includes(command) === (access === "read")) return parsed.output;
  throw new MigrationError("USAGE", `this function does not run ${command}`, {
    hint: "The other function of the fleet does.",
  });
}

/** Also of a payload that is refused. */
function targetName(payload: unknown): string {
  const name = property(property(payload, "target"), "name");
  return typeof name === "string" ? name : "unknown";
}

/** @throws MigrationError of a target that failed */
async function runSlice(item: Item, invocation: Invocation, env: Environment): Promise<TargetAnswer> {
  const { target, request, fleet } = item;
  const source = openAsset(readRoot(env));
  requireRelease(item.release, source);
  requireAllowed(request, env);
  const settings = settingsFor(readSettings(env), target);
  const setup: EngineSetup = {
    ...{ settings, source, advise: adviseInFleet },
    origin: "command",
    actor: `fleet ${fleet}, execution ${item.slice.execution}`,
  };
  const before = item.slice.completed ?? 0;
  try {
    const { report, outcome } = await withEngine(invocation, setup, (migrator) =>
      run(migrator, request, invocation.redactor),
    );
    const answer = { target: target.name, ...outcome, completed: before + outcome.completed };
    if (sliceOutcome({ report }, settings.options) === "done") return { outcome: "done", answer };
    return nextSlice(item, answer, "background");
  } catch (error) {
    const outcome = failedOutcome(target.name, explained(error, invocation.redactor), stateAfter(error));
    const answer = { ...outcome, completed: before + outcome.completed };
    // The session that holds the lock may be the one that an earlier slice has left at work.
    const limits = item.slice.background ? {} : settings.options;
    const next =
      sliceOutcome({ error }, limits) === "continue" && !isWaitOver(item, error)
        ? nextSlice(item, answer, workOf(error))
        : isOutOfReach(error)
          ? nextAttempt(item, answer)
          : undefined;
    const level = next === undefined ? "error" : "warn";
    invocation.log[level](`the slice on ${target.name} ended with an error`, describeError(error));
    return next ?? { outcome: "failed", code: answer.code ?? "INTERNAL", answer };
  }
}

async function run(migrator: Migrator, request: TargetRequest, redactor: Redactor): Promise<TargetReport> {
  switch (request.command) {
    case "status":
      return seen(await migrator.status(), redactor);
    case "plan":
      return planned(await migrator.planUp(given({ to: request.to })));
    case "up":
      return changed(await migrator.up(given({ to: request.to })), redactor);
    case "down":
      return undo(migrator, request.to, redactor);
  }
}

/** A target that has not come as far as `to` is as a `down` would leave it: a fleet may be stopped in any wave. */
async function undo(migrator: Migrator, to: string, redactor: Redactor): Promise<TargetReport> {
  const status = await migrator.status();
  const { head, migrations } = status;
  const isPending = migrations.some(({ name, state }) => name === to && state === "pending");
  const isBefore = isPending && (head === null || compareMigrations(head, to) < 0);
  return isBefore ? unchanged(status) : changed(await migrator.down({ to }), redactor);
}

/** The target of the fleet, as the settings of a function that has it alone. */
function settingsFor(fleet: Settings, target: FleetTarget): Settings {
  requireOwnLogin([target], fleet);
  const { host, port, database } = target;
  const options = targetOptions(fleet.options, target);
  return { ...fleet, host, port, database, options, login: loginOf(fleet.login, target) };
}

/** A user without a secret logs in with a token. */
function loginOf(fleet: Login, { secret, user }: FleetTarget): Login {
  if (secret !== undefined) return { kind: "secret", secretArn: secret };
  return user === undefined ? fleet : { kind: "iam", user };
}

function requireAllowed({ command }: TargetRequest, env: Environment): void {
  if (command !== "down" || env[ENV.allowDown] === "true") return;
  throw new MigrationError("USAGE", "down is not allowed in this fleet", {
    hint: "It would undo migrations, and data with them. The construct's `allowDown: true` allows it.",
  });
}

function requireRelease(release: string, { manifest }: AssetSource): void {
  if (release === manifest.hash) return;
  throw new MigrationError("ASSET", "the function has other migrations than the execution began with", {
    hint: "A deploy or a rollback has replaced them meanwhile. Start another execution: it goes on with what each target has.",
  });
}

/** Waits of the longest kind in a day. */
const MOST_WAITS = (24 * 3_600) / LONGEST_WAIT_SECONDS;

/** A session that holds the lock and does nothing would be waited for without end. */
function isWaitOver({ slice: { waits = 0, background } }: Item, error: unknown): boolean {
  return background !== true && waits >= MOST_WAITS && workOf(error) === "lock";
}

/** @param work that another session does; without it, the next slice begins at once */
function nextSlice(item: Item, answer: Outcome, work: OthersWork | undefined): TargetAnswer {
  const { execution, waits = 0, background } = item.slice;
  const slice = { execution, completed: answer.completed };
  if (work === undefined) return { outcome: "continue", next: { ...item, slice }, waitSeconds: 0, answer };
  const isOwn = work === "background" || background;
  const next = {
    ...item,
    slice: { ...slice, waits: waits + 1, ...(isOwn ? { background: true as const } : {}) },
  };
  return { outcome: "continue", next, waitSeconds: secondsToWait(waits), answer };
}

/** A database that fails over, restarts, or has no connection left for the moment, is there again within minutes. */
const ATTEMPTS = 5;
const FIRST_WAIT_SECONDS = 10;

/** Undefined after the last one. The waits differ, so that the targets of one server do not all come back at once. */
function nextAttempt(item: Item, answer: Outcome): TargetAnswer | undefined {
  const attempts = (item.slice.attempts ?? 0) + 1;
  if (attempts >= ATTEMPTS) return undefined;
  const next = { ...item, slice: { ...item.slice, completed: answer.completed, attempts } };
  const longest = FIRST_WAIT_SECONDS * 2 ** attempts;
  const waitSeconds = Math.ceil(longest * (0.5 + Math.random() / 2));
  return { outcome: "continue", next, waitSeconds, answer };
}

import * as v from "valibot";
import { APPROVED_PLAN } from "../../lib/commands/index.ts";
import { type CompletedMigration, given, MigrationError, property } from "../../lib/core/index.ts";
import type { Migrator, RestOfRun } from "../../lib/engine/index.ts";
import { describeError, remainingIn } from "../runtime/failure-log.ts";
import { beginInvocation, type Invocation, type LambdaContext } from "../runtime/invocation.ts";
import { problemsOf } from "../runtime/schema.ts";
import { type Environment, readSettings } from "../runtime/settings.ts";
import { type SliceEnd, type SliceOutcome, secondsToWait, sliceOutcome } from "../runtime/slice.ts";
import {
  failureOf,
  type OperatorAnswer,
  pendingIn,
  type Request,
  redacted,
  reportAsAnswer,
  withOperatorEngine,
} from "./answer.ts";

const Name = v.pipe(v.string(), v.nonEmpty());
const Names = v.pipe(v.array(Name), v.readonly());
const Count = v.pipe(v.number(), v.integer(), v.minValue(0));

const Completed = v.strictObject({
  migration: Name,
  direction: v.picklist(["up", "down"]),
  durationMs: v.number(),
});

const Rest: v.GenericSchema<RestOfRun> = v.strictObject({
  undo: Names,
  apply: v.exactOptional(Names),
  approved: v.exactOptional(APPROVED_PLAN),
});

/** What one slice hands to the next. A state machine begins with the name of its execution. */
export const SliceState = v.strictObject({
  execution: Name,
  /** From 1; absent in the first. */
  number: v.exactOptional(Count),
  rest: v.exactOptional(Rest),
  /** By the slices before, newest last. */
  completed: v.exactOptional(v.array(Completed)),
  /** How many slices in a row have found another session at work. */
  waits: v.exactOptional(Count),
  /** Whether that session does what an earlier slice has left to it. */
  background: v.exactOptional(v.boolean()),
});
export type SliceState = v.InferOutput<typeof SliceState>;

/** A request in slices: one of them, or what the next one gets. */
export interface Slice {
  readonly slice: SliceState;
  /** The fields of the command. */
  readonly input: object;
}

/** How a slice ended. Report and error tell of the whole execution. */
export type SliceResult =
  | { readonly outcome: "done"; readonly report: object }
  | { readonly outcome: "failed"; readonly error: unknown }
  | {
      readonly outcome: "continue";
      readonly next: Slice;
      readonly waitSeconds: number;
      /** Why it goes on; absent after the first slice, which only reads. */
      readonly end?: SliceEnd;
    };

/** One slice of a request. */
export interface SliceOfRequest {
  readonly slice: SliceState;
  readonly request: Request;
  readonly invocation: Pick<Invocation, "completed">;
  /** What the user has set; undefined for the default. */
  readonly lockWaitMs: number | undefined;
}

/** Does `work` with a migrator. @throws MigrationError */
export type UseMigrator = <T>(work: (migrator: Migrator) => Promise<T>) => Promise<T>;

/**
 * Runs one slice of a request. The first slice of "the last three", and of any other request that takes others each time,
 * only finds out their names: a slice may be repeated because its answer was lost.
 */
export async function runSlice(part: SliceOfRequest, use: UseMigrator): Promise<SliceResult> {
  const { slice, request } = part;
  const isFirst = slice.number === undefined;
  try {
    const ended = await use(async (migrator) => {
      const pinned = isFirst ? await request.pin(migrator) : undefined;
      return pinned ?? { report: await request.run(migrator, slice.rest) };
    });
    if ("report" in ended) return judged(part, ended);
    const next = { slice: { ...slice, number: 2, ...given({ rest: ended.rest }) }, input: ended.input };
    return { outcome: "continue", next, waitSeconds: 0 };
  } catch (error) {
    return judged(part, { error });
  }
}

function judged(part: SliceOfRequest, ended: SliceEnd): SliceResult {
  const { slice, request, lockWaitMs } = part;
  const completed = [...(slice.completed ?? []), ...part.invocation.completed];
  const end = told(ended, completed);
  // An earlier slice may have left the lock to the session that holds it.
  const outcome = sliceOutcome(ended, slice.background ? {} : given({ lockWaitMs }));
  if ("report" in end && outcome === "done") return { outcome, ...end };
  if ("error" in end && outcome === "failed") return { outcome, ...end };
  if ("error" in end && isCutRedoOfPlan(request, end.error))
    return { outcome: "failed", error: end.error.advised(REDO_OF_PLAN) };
  const wait = waitAfter(slice, end);
  const { number = 1, rest } = slice;
  const state = {
    execution: slice.execution,
    number: number + 1,
    ...given({ rest: rest && left(rest, ended) }),
    ...(completed.length === 0 ? {} : { completed: completed.slice(-KEPT) }),
    ...wait.state,
  };
  return {
    outcome: "continue",
    next: { slice: state, input: request.input },
    waitSeconds: wait.seconds,
    end,
  };
}

/** How many completed migrations are handed on: Step Functions takes states of 256 KB. */
const KEPT = 500;

function waitAfter({ waits = 0, background }: SliceState, end: SliceEnd) {
  const isLocked = "error" in end && end.error instanceof MigrationError && end.error.code === "LOCK_HELD";
  const isLeft = leavesStatement(end) || (isLocked && background === true);
  if (!isLocked && !isLeft) return { seconds: 0, state: {} };
  return {
    seconds: secondsToWait(waits),
    state: { waits: waits + 1, ...(isLeft ? { background: true } : {}) },
  };
}

/** Whether the server goes on with a statement. */
function leavesStatement(end: SliceEnd): boolean {
  if ("report" in end) return true;
  return end.error instanceof MigrationError && end.error.details.background !== undefined;
}

/** What a slice has left. A redo applies nothing before all of it is undone. */
function left(rest: RestOfRun, ended: SliceEnd): RestOfRun {
  const { undo, apply, ...plan } = rest;
  // The server is at work on the last statement of it.
  if ("report" in ended) return apply === undefined ? rest : { ...rest, undo: [] };
  if (!(ended.error instanceof MigrationError)) return rest;
  const { undone = [], applied = [] } = ended.error.details;
  return {
    ...plan,
    undo: undo.filter((name) => !undone.includes(name) && !applied.includes(name)),
    ...given({ apply: apply?.filter((name) => !applied.includes(name)) }),
  };
}

function isCutRedoOfPlan({ command, input }: Request, error: unknown): error is MigrationError {
  if (!(error instanceof MigrationError) || error.code !== "DEADLINE") return false;
  return command === "redo" && property(input, "plan") !== undefined;
}

const REDO_OF_PLAN =
  "What it has undone is pending now. The plan was of the whole redo: have one of `up` approved for the rest.";

/** The end of a slice with all that the slices of its execution have completed. */
function told(end: SliceEnd, completed: readonly CompletedMigration[]): SliceEnd {
  if (completed.length === 0) return end;
  if ("report" in end) return { report: reportOf(end.report, completed) };
  return end.error instanceof MigrationError ? { error: errorOf(end.error, completed) } : end;
}

function reportOf(report: object, completed: readonly CompletedMigration[]): object {
  const own: unknown = property(report, "completed");
  if (!Array.isArray(own) || own.length === completed.length) return report;
  // Nobody knows any more what the schema was before the first slice.
  return { ...report, completed, changes: null };
}

function errorOf({ code, message, details }: MigrationError, completed: readonly CompletedMigration[]) {
  const last = new Map(completed.map(({ migration, direction }) => [migration, direction]));
  const named = (direction: CompletedMigration["direction"]) =>
    [...last].flatMap(([name, one]) => (one === direction ? [name] : []));
  const undone = named("down");
  const both = { applied: named("up"), ...(undone.length === 0 ? {} : { undone }) };
  return new MigrationError(code, message, { ...details, ...both });
}

const SlicePayload = v.strictObject({ slice: SliceState, request: v.unknown() });

/** What a state machine sees of a slice. */
export interface SliceAnswer {
  readonly outcome: SliceOutcome;
  /** Seconds until the next slice. */
  readonly waitSeconds: number;
  /** Payload of the next slice, if there is one. */
  readonly next?: v.InferOutput<typeof SlicePayload>;
  /** Of a failure. */
  readonly code?: string;
  /** What the function answers without slices, and how many there were. */
  readonly answer: OperatorAnswer;
}

/** Whether a state machine asks, and not an operator. */
export function isSlice(payload: unknown): boolean {
  return property(payload, "slice") !== undefined;
}

/** Bytes of JSON. Step Functions takes states of 256 KB, and a cause of 32,768 characters. */
const ANSWER_BYTES = { done: 150_000, continue: 8_000, failed: 30_000 } as const;

/** Runs one slice of a command for a state machine. */
export async function answerSlice(
  context: LambdaContext,
  env: Environment,
  payload: unknown,
  parseRequest: (request: unknown) => Request,
): Promise<SliceAnswer> {
  const invocation = beginInvocation(context);
  try {
    const { slice, request: asked } = parsePayload(payload);
    const request = parseRequest(asked);
    const { number = 1, execution } = slice;
    invocation.log.info(`${request.command} was asked for: slice ${number} of ${execution}`);
    const { lockWaitMs } = readSettings(env).options;
    const result = await runSlice({ slice, request, invocation, lockWaitMs }, (work) =>
      withOperatorEngine(invocation, env, work),
    );
    if (result.outcome === "failed") return failed(result.error, invocation);
    if (result.outcome === "done") {
      const answer = { ...reportAsAnswer(request, result.report), slices: number };
      return answered({ outcome: "done", waitSeconds: 0, answer }, invocation, { report: result.report });
    }
    const { next, waitSeconds, end = { report: {} } } = result;
    const answer = "report" in end ? reportAsAnswer(request, end.report) : failureOf(end.error);
    const again = {
      slice: next.slice,
      request: { command: request.command, confirm: property(asked, "confirm"), ...next.input },
    };
    return answered({ outcome: "continue", waitSeconds, next: again, answer }, invocation, end);
  } catch (error) {
    return failed(error, invocation);
  }
}

function parsePayload(payload: unknown): v.InferOutput<typeof SlicePayload> {
  const parsed = v.safeParse(SlicePayload, payload);
  if (parsed.success) return parsed.output;
  throw new MigrationError("USAGE", `the slice is invalid: ${problemsOf(parsed.issues)}`, {
    hint: "State machines make slices. Leave `slice` out to run a command at once.",
  });
}

function failed(error: unknown, invocation: Invocation): SliceAnswer {
  invocation.log.error("the command failed", describeError(error));
  const code = error instanceof MigrationError ? error.code : "INTERNAL";
  const answer = failureOf(error);
  return answered({ outcome: "failed", waitSeconds: 0, code, answer }, invocation, { error });
}

/** The execution reports the failure of a slice. An alarm of the function, too, would tell of it twice. */
function answered(given: SliceAnswer, invocation: Invocation, end: SliceEnd): SliceAnswer {
  const pending = "report" in end ? pendingIn(end.report) : remainingIn(end.error);
  const completed = invocation.completed.length;
  invocation.log.metrics({ failed: false, completed, pending, ...invocation.counts });
  return { ...given, answer: redacted(given.answer, invocation, ANSWER_BYTES[given.outcome]) };
}

import * as v from "valibot";
import { COMMAND_NAMES, COMMANDS, type CommandName, type Pinned } from "../../lib/commands/index.ts";
import {
  ERROR_CODES,
  ERRORS,
  errorAsJson,
  Hint,
  MigrationError,
  property,
  resultAsJson,
} from "../../lib/core/index.ts";
import type { Migrator, RestOfRun } from "../../lib/engine/index.ts";
import { adviseOnAws, findingsOnAws } from "../runtime/advice.ts";
import { openAsset } from "../runtime/asset.ts";
import { withEngine } from "../runtime/engine.ts";
import { describeError, remainingIn } from "../runtime/failure-log.ts";
import {
  beginInvocation,
  type Invocation,
  type LambdaContext,
  type MetricValues,
} from "../runtime/invocation.ts";
import { problemsOf } from "../runtime/schema.ts";
import { type Environment, readRoot, readSettings } from "../runtime/settings.ts";

/** The answer to an operator: the JSON that `--json` of the CLI prints, for a failure too. */
export type OperatorAnswer = Readonly<Record<string, unknown>>;

const Findings = v.array(
  v.looseObject({ code: v.picklist(ERROR_CODES), hint: v.union([v.string(), v.instance(Hint)]) }),
);

/**
 * Runs a command for an operator. A failure is an answer, not an exception: it contains all that is known, and Lambda
 * would retry an asynchronous invocation that fails.
 */
export async function answerOperator(
  context: LambdaContext,
  env: Environment,
  parseRequest: () => Request,
): Promise<OperatorAnswer> {
  const invocation = beginInvocation(context);
  const startedAt = performance.now();
  const measure = (values: Pick<MetricValues, "failed" | "completed" | "pending">) =>
    invocation.log.metrics({
      ...values,
      ...invocation.counts,
      durationMs: performance.now() - startedAt,
    });
  try {
    const request = parseRequest();
    invocation.log.info(`${request.command} was asked for`);
    const report = await withOperatorEngine(invocation, env, (migrator) => request.run(migrator));
    measure({ failed: false, completed: completedIn(report), pending: pendingIn(report) });
    return redacted(reportAsAnswer(request, report), invocation);
  } catch (error) {
    invocation.log.error("the command failed", describeError(error));
    const failure = redacted(failureOf(error), invocation);
    if (!(error instanceof MigrationError)) {
      measure({ failed: true, completed: 0 });
      return failure;
    }
    // An invalid payload must not raise an alarm.
    const { applied = [], undone = [] } = error.details;
    measure({
      failed: ERRORS[error.code].fault !== "request",
      completed: applied.length + undone.length,
      pending: remainingIn(error),
    });
    return failure;
  }
}

/** Runs `work` with an engine for a command, as the settings of the function say. */
export function withOperatorEngine<T>(
  invocation: Invocation,
  env: Environment,
  work: (migrator: Migrator) => Promise<T>,
): Promise<T> {
  const source = openAsset(readRoot(env));
  // CloudTrail has the caller of this request.
  const actor = `${invocation.functionName}, request ${invocation.requestId}`;
  return withEngine(invocation, { settings: readSettings(env), source, origin: "command", actor }, work);
}

/** A report as the answer to an operator. */
export function reportAsAnswer({ command }: Request, report: object): OperatorAnswer {
  return resultAsJson(command, advised(report));
}

/** A failure as the answer to an operator. */
export function failureOf(error: unknown): OperatorAnswer {
  if (error instanceof MigrationError) return errorAsJson(adviseOnAws(error));
  return { ok: false, error: { code: "INTERNAL", message: String(error) } };
}

/** The report with hints for an operator. */
function advised(report: object): object {
  const lists = ["refusals", "warnings"].flatMap((key) => {
    const { success, output } = v.safeParse(Findings, Reflect.get(report, key));
    return success ? [[key, findingsOnAws(output)] as const] : [];
  });
  return { ...report, ...Object.fromEntries(lists) };
}

function completedIn(report: object): number {
  const completed: unknown = Reflect.get(report, "completed");
  return Array.isArray(completed) ? completed.length : 0;
}

/** Of a report that counts the migrations by state. A contract that waits is not left over. */
export function pendingIn(report: object): number | undefined {
  const pending = property(property(report, "counts"), "pending");
  const waiting = property(report, "waiting");
  return typeof pending === "number" ? pending - (Array.isArray(waiting) ? waiting.length : 0) : undefined;
}

/** An answer without secrets, and not longer than its reader takes. */
export function redacted(answer: object, { redactor }: Invocation, limit?: number): OperatorAnswer {
  const entries = Object.entries(answer).map(([key, value]) => [key, redactor.redactAll(value)]);
  return withinBound(Object.fromEntries(entries), limit);
}

/**
 * Lambda takes answers of up to six megabytes of JSON. The rest is for what Lambda adds, and for characters that it
 * writes in more bytes.
 */
const ANSWER_BYTES = 5_500_000;

/** The limit of one text, if the answer is too long. */
const TEXT_BYTES = 64 * 1024;

type Json = Readonly<Record<string, unknown>>;

/**
 * Shortens an answer that is too long: first its long texts, such as the SQL of a plan, then its long lists.
 * `truncated` says so.
 */
export function withinBound(answer: Json, limit = ANSWER_BYTES): Json {
  if (sizeOf(answer) <= limit) return answer;
  const note = (what: string) => ({ truncated: `the answer was longer than AWS takes: ${what}` });
  for (let bytes = TEXT_BYTES; bytes >= 1_024; bytes /= 4) {
    const shorter = { ...shorten(answer, bytes, Number.POSITIVE_INFINITY), ...note("long texts are cut") };
    if (sizeOf(shorter) <= limit) return shorter;
  }
  for (let items = 4_096; items >= 16; items /= 4) {
    const shorter = { ...shorten(answer, 1_024, items), ...note("long texts and lists are cut") };
    if (sizeOf(shorter) <= limit) return shorter;
  }
  return {
    ok: answer["ok"],
    command: answer["command"],
    ...note("nothing of it is left; ask for less of it"),
  };
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function shorten(value: Json, bytes: number, items: number): Json {
  return Object.fromEntries(
    Object.entries(value).map(([key, held]) => [key, shortenAny(held, bytes, items)]),
  );
}

function shortenAny(value: unknown, bytes: number, items: number): unknown {
  if (typeof value === "string") return cutEnd(value, bytes);
  if (Array.isArray(value)) return value.slice(0, items).map((held) => shortenAny(held, bytes, items));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, held]) => [key, shortenAny(held, bytes, items)]),
  );
}

/** The beginning identifies a statement. */
function cutEnd(text: string, bytes: number): string {
  const length = Buffer.byteLength(text);
  if (length <= bytes) return text;
  const front = new TextDecoder().decode(Buffer.from(text).subarray(0, bytes)).replace(/\ufffd+$/, "");
  return `${front} … (${length - bytes} bytes more)`;
}

/** A command that may run: its payload is valid, and a change is confirmed. */
export interface Request {
  readonly command: CommandName;
  readonly input: object;
  /** @param rest of a run that is divided: what is left to do of it */
  readonly run: (migrator: Migrator, rest?: RestOfRun) => Promise<object>;
  /** Names what it takes now; undefined if the request says that already. */
  readonly pin: (migrator: Migrator) => Promise<Pinned> | undefined;
}

/** The settings of the operate function. */
export interface Permissions {
  readonly database: string;
  readonly allowDown: boolean;
}

const READS = COMMAND_NAMES.filter((name) => COMMANDS[name].access === "read");
const CHANGES = COMMAND_NAMES.filter((name) => COMMANDS[name].access !== "read" || COMMANDS[name].writesWith);

const StatusPayload = v.looseObject({ command: v.picklist(READS) });
const OperatePayload = v.looseObject({ command: v.picklist(CHANGES), confirm: v.string() });

/** Reads the payload of the status function. @throws MigrationError `USAGE` */
export function parseStatusRequest(payload: unknown): Request {
  const parsed = v.safeParse(StatusPayload, payload);
  if (!parsed.success) throw invalid(parsed.issues, commandsHint(READS));
  const { command, ...input } = parsed.output;
  const field = writingField(command, input);
  if (field !== undefined) {
    throw new MigrationError("USAGE", `${command} with ${field} is no read-only command`, {
      hint: 'Invoke the operate function with it, and "confirm": the name of the database.',
    });
  }
  return prepare(command, input);
}

/**
 * Reads the payload of the operate function.
 * @throws MigrationError `USAGE`, also for what is not confirmed or not allowed
 */
export function parseOperateRequest(payload: unknown, { database, allowDown }: Permissions): Request {
  const parsed = v.safeParse(OperatePayload, payload);
  if (!parsed.success) throw invalid(parsed.issues, commandsHint(CHANGES));
  const { command, confirm, ...input } = parsed.output;
  if (COMMANDS[command].access === "read" && writingField(command, input) === undefined) {
    throw new MigrationError(
      "USAGE",
      `${command} reads only, unless it has ${COMMANDS[command].writesWith}`,
      {
        hint: "Invoke the status function with it.",
      },
    );
  }
  const request = prepare(command, input);
  if (confirm !== database) {
    throw new MigrationError("USAGE", `confirm is "${confirm}", which is not this database`, {
      hint: `Say which database is meant: "confirm": "${database}".`,
    });
  }
  if (!allowDown && COMMANDS[command].access === "undo") {
    throw new MigrationError("USAGE", `${command} is not allowed on this database`, {
      hint: "It would undo migrations, and data with them. The construct's `allowDown: true` allows it.",
    });
  }
  return request;
}

/** The field with which a read-only command writes. */
function writingField(command: CommandName, input: object): string | undefined {
  const { writesWith } = COMMANDS[command];
  return writesWith !== undefined && property(input, writesWith) === true ? writesWith : undefined;
}

function prepare(command: CommandName, input: object): Request {
  const prepared = COMMANDS[command].prepare(input);
  if (prepared.issues === undefined) return { command, input, run: prepared.run, pin: prepared.pin };
  const fields = Object.keys(COMMANDS[command].fields);
  throw invalid(prepared.issues, `The fields of ${command} are: ${fields.join(", ") || "none"}.`);
}

function commandsHint(names: readonly CommandName[]): string {
  return `The commands are ${names.join(", ")}; the runbook shows a payload of each.`;
}

function invalid(issues: readonly v.BaseIssue<unknown>[], hint: string): MigrationError {
  return new MigrationError("USAGE", `the payload is invalid: ${problemsOf(issues)}`, { hint });
}

import { type ErrorDetails, MigrationError } from "../../lib/core/index.ts";
import { locate } from "../../lib/sql/index.ts";
import type { OnRollback } from "../contract.ts";
import { cut } from "../runtime/custom-resource.ts";
import type { Invocation } from "../runtime/invocation.ts";
import type { Redactor } from "../runtime/redactor.ts";

/**
 * CloudFormation takes answers of up to 4,096 bytes, the provider framework adds lines of its own, and a longer answer
 * is replaced by "Response object is too long": the reason would be lost.
 */
const MESSAGE_BYTES = 1_300;
/** The same as JSON, in which a quote takes two bytes and a control character six. */
const JSON_BYTES = 2_000;

/** A failure as CloudFormation is to show it: thrown, because only that fails a deploy. */
export class DeployFailure extends Error {
  constructor(code: string, message: string) {
    super(message);
    this.name = code;
    // The framework sends message and stack: the stack would say the same again, and where in the bundle.
    this.stack = code;
  }
}

/** What becomes of the migrations that a failed deploy had applied before. */
export type Outlook =
  | "the rollback keeps them"
  | "the rollback undoes them where it can"
  | "they stay in the database";

/** Names of the migrations that earlier slices of the deploy have applied; "unknown" if the database does not tell. */
export type Earlier = readonly string[] | "unknown";

/** A first deploy is not rolled back by an update: its resources are deleted, and the database with them if it is one. */
export function outlookOf(requestType: "Create" | "Update" | "Delete", onRollback: OnRollback): Outlook {
  if (requestType !== "Update") return "they stay in the database";
  return onRollback === "down" ? "the rollback undoes them where it can" : "the rollback keeps them";
}

/** Says what happened, what stayed, and where to read on, within the bound. */
export function toDeployFailure(
  error: unknown,
  invocation: Invocation,
  outlook: Outlook,
  earlier: Earlier = [],
): DeployFailure {
  const { code, text: described } = describe(error, invocation.redactor, { outlook, earlier });
  // Nobody can read them, and as JSON each takes six bytes.
  const text = described.replace(/(?!\n)\p{Cc}/gu, " ");
  const tail = `\nLog group ${invocation.logGroup}, request ${invocation.requestId}.`;
  let bytes = MESSAGE_BYTES - Buffer.byteLength(tail);
  let message = cut(text, bytes) + tail;
  while (bytes > 100 && Buffer.byteLength(JSON.stringify(message)) > JSON_BYTES) {
    bytes = Math.floor(bytes * 0.8);
    message = cut(text, bytes) + tail;
  }
  return new DeployFailure(code, message);
}

interface Aftermath {
  readonly outlook: Outlook;
  readonly earlier: Earlier;
}

function describe(
  error: unknown,
  { redact }: Redactor,
  aftermath: Aftermath,
): { readonly code: string; readonly text: string } {
  if (!(error instanceof MigrationError)) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { code: "INTERNAL", text: `a defect in cdk-pg-migrate, please report it: ${redact(message)}` };
  }
  const { code, message, details } = error;
  const { sqlstate, migration, hint, detail, partial, remaining = [] } = details;
  const state = sqlstate === undefined ? "" : ` (SQLSTATE ${sqlstate})`;
  const where = migration === undefined ? "" : ` in ${migration}`;
  const lines = [
    `${code}${where}: ${cut(redact(message), 500)}${state}`,
    ...placeOf(details).map((place) => cut(redact(place), 200)),
    ...(detail === undefined ? [] : [`Detail: ${cut(redact(detail), 150)}`]),
    ...(partial === undefined ? [] : [`Partly applied: ${partial} of its statements are done and stay.`]),
    ...appliedBefore(details, aftermath),
    ...(code === "DEADLINE" && remaining.length > 0 ? [`Still pending: ${firstOf(remaining)}.`] : []),
    ...(hint === undefined ? [] : [`What to do: ${cut(redact(String(hint)), 300)}`]),
  ];
  return { code, text: lines.join("\n") };
}

/** Where in its SQL the server found the error; without a position, how the statement begins. */
function placeOf(details: ErrorDetails): readonly string[] {
  const { statement, position, context, file, line: fileLine, statementNumber, statements = 1 } = details;
  const inside = context === undefined ? [] : [`Context: ${context.split("\n")[0] ?? ""}`];
  if (statement === undefined) return inside;
  if (file !== undefined && fileLine !== undefined) {
    const number = statements > 1 ? `, statement ${statementNumber} of ${statements}` : "";
    const text =
      position === undefined ? statement.trim().split("\n")[0] : locate(statement, position).lineText;
    return [`${file}:${fileLine}${number}: ${(text ?? "").trim()}`, ...inside];
  }
  if (position === undefined) return [`Statement: ${statement.trim().split("\n")[0] ?? ""}`, ...inside];
  const { line, lineText } = locate(statement, position);
  return [`Line ${line} of its SQL: ${lineText.trim()}`, ...inside];
}

const SHOWN = 3;

/** The failed slice has applied what its error says, and the history may have that too. */
function appliedBefore({ applied }: ErrorDetails, { outlook, earlier }: Aftermath): readonly string[] {
  if (earlier === "unknown") return [UNKNOWN_BEFORE];
  const names = [...new Set([...earlier, ...(applied ?? [])])];
  if (names.length > 0) return [`Applied before it: ${lastOf(names)}; ${outlook}.`];
  return applied === undefined ? [] : ["Applied before it: nothing."];
}

const UNKNOWN_BEFORE =
  "Earlier invocations of this deploy may have applied migrations: ask the status function.";

function lastOf(names: readonly string[]): string {
  return namesOf(names.slice(-SHOWN), names.length);
}

function firstOf(names: readonly string[]): string {
  return namesOf(names.slice(0, SHOWN), names.length);
}

function namesOf(shown: readonly string[], count: number): string {
  const more = count > shown.length ? ` and ${count - shown.length} more` : "";
  return shown.map((name) => cut(name, 80)).join(", ") + more;
}

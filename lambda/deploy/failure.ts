import { MigrationError } from "../../lib/migrator/index.ts";
import { cut } from "../runtime/cut.ts";
import type { Invocation } from "../runtime/invocation.ts";
import type { Redactor } from "../runtime/redactor.ts";

/**
 * CloudFormation takes answers of up to 4,096 bytes, the provider framework adds lines of its own, and a longer answer
 * is replaced by "Response object is too long": the reason would be lost.
 */
const MESSAGE_BYTES = 1_300;

/** A failure as CloudFormation is to show it: thrown, because only that fails a deploy. */
export class DeployFailure extends Error {
  constructor(code: string, message: string) {
    super(message);
    this.name = code;
    // The framework sends message and stack: the stack would say the same again, and where in the bundle.
    this.stack = code;
  }
}

/** Says what happened, what stayed, and where to read on, within the bound. */
export function toDeployFailure(error: unknown, invocation: Invocation): DeployFailure {
  const { code, text } = describe(error, invocation.redactor);
  const tail = `\nLog group ${invocation.logGroup}, request ${invocation.requestId}.`;
  const message = cut(text, MESSAGE_BYTES - Buffer.byteLength(tail)) + tail;
  return new DeployFailure(code, message);
}

function describe(error: unknown, { redact }: Redactor): { readonly code: string; readonly text: string } {
  if (!(error instanceof MigrationError)) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { code: "INTERNAL", text: `a defect in cdk-pg-migrate, please report it: ${redact(message)}` };
  }
  const { code, message, details } = error;
  const { sqlstate, migration, applied, hint, detail, partial } = details;
  const state = sqlstate === undefined ? "" : ` (SQLSTATE ${sqlstate})`;
  const where = migration === undefined ? "" : ` in ${migration}`;
  const lines = [
    `${code}${where}: ${cut(redact(message), 500)}${state}`,
    ...(detail === undefined ? [] : [`Detail: ${cut(redact(detail), 150)}`]),
    ...(partial === undefined ? [] : [`Half-done: ${partial} of its statements are done and stay.`]),
    ...(applied === undefined ? [] : [`Applied before it, and kept: ${namesOf(applied)}.`]),
    ...(hint === undefined ? [] : [`What to do: ${cut(redact(hint), 300)}`]),
  ];
  return { code, text: lines.join("\n") };
}

const SHOWN = 3;

function namesOf(names: readonly string[]): string {
  if (names.length === 0) return "nothing";
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return (
    names
      .slice(-SHOWN)
      .map((name) => cut(name, 80))
      .join(", ") + more
  );
}

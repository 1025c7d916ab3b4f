import * as v from "valibot";
import { COMMAND_NAMES, COMMANDS, type CommandName } from "../../lib/commands/index.ts";
import { MigrationError } from "../../lib/core/index.ts";
import type { Migrator } from "../../lib/engine/index.ts";
import { problemsOf } from "../runtime/schema.ts";

/** A command that may run: its payload is valid, and a change is confirmed. */
export interface Request {
  readonly command: CommandName;
  readonly run: (migrator: Migrator) => Promise<object>;
}

/** The settings of the operate function. */
export interface Permissions {
  readonly database: string;
  readonly allowDown: boolean;
}

const READS = COMMAND_NAMES.filter((name) => COMMANDS[name].access === "read");
const CHANGES = COMMAND_NAMES.filter((name) => COMMANDS[name].access !== "read");

const StatusPayload = v.looseObject({ command: v.picklist(READS) });
const OperatePayload = v.looseObject({ command: v.picklist(CHANGES), confirm: v.string() });

/** Reads the payload of the status function. @throws MigrationError `USAGE` */
export function parseStatusRequest(payload: unknown): Request {
  const parsed = v.safeParse(StatusPayload, payload);
  if (!parsed.success) throw invalid(parsed.issues, commandsHint(READS));
  const { command, ...input } = parsed.output;
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

function prepare(command: CommandName, input: unknown): Request {
  const prepared = COMMANDS[command].prepare(input);
  if (prepared.run !== undefined) return { command, run: prepared.run };
  const fields = Object.keys(COMMANDS[command].fields);
  throw invalid(prepared.issues, `The fields of ${command} are: ${fields.join(", ") || "none"}.`);
}

function commandsHint(names: readonly CommandName[]): string {
  return `The commands are ${names.join(", ")}; the runbook shows a payload of each.`;
}

function invalid(issues: readonly v.BaseIssue<unknown>[], hint: string): MigrationError {
  return new MigrationError("USAGE", `the payload is invalid: ${problemsOf(issues)}`, { hint });
}

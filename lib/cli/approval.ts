import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type PlanFile, readPlan } from "../commands/index.ts";
import {
  type Approval,
  type CommandInput,
  commandArguments,
  errorMessage,
  given,
  MigrationError,
} from "../core/index.ts";
import { commandLine, type ProcessIo } from "./process-io.ts";
import type { TargetPlace } from "./settings/target.ts";

export type Action = PlanFile["action"];

/** An approval as it was given on the command line. */
export type GivenApproval =
  | { readonly kind: "digest"; readonly approved: Approval }
  | { readonly kind: "file"; readonly approved: PlanFile; readonly file: string };

/**
 * Reads the value of `--plan`: the digest of a plan, or the name of a file.
 * @throws MigrationError `USAGE` for a file that cannot be read or is not a plan of this command
 */
export async function readApproval(io: ProcessIo, plan: string, action: Action): Promise<GivenApproval> {
  if (/^[0-9a-f]{64}$/.test(plan)) return { kind: "digest", approved: plan };
  const content = await readFile(resolve(io.cwd, plan), "utf8").catch((cause: unknown) => {
    throw new MigrationError("USAGE", whyUnreadable(plan, cause), {
      hint: `Give a file that ${commandLine("plan", "--out plan.json")} has written, or the digest of a plan: 64 hexadecimal digits.`,
      cause,
    });
  });
  return { kind: "file", approved: readPlan(content, plan, action), file: plan };
}

function whyUnreadable(plan: string, cause: unknown): string {
  if (plan === "") return "--plan is empty: it names no plan";
  const digits = /^([0-9a-f]{4,})…?$/i.exec(plan)?.[1]?.length;
  return digits === undefined
    ? `the plan ${plan} cannot be read: ${errorMessage(cause)}`
    : `${plan} is no file, and not the digest of a plan: it has ${digits} digits of 64`;
}

/** A refusal because of another plan, with the command that writes the one that would run now. */
export function adviseToPlanAgain(
  error: unknown,
  { action, extent, approval }: { action: Action; extent: CommandInput; approval: GivenApproval },
): unknown {
  if (!(error instanceof MigrationError) || error.code !== "PLAN_DIFFERS") return error;
  const part = approval.kind === "file" ? given({ to: approval.approved.to }) : extent;
  const out = `--out ${approval.kind === "file" ? approval.file : "plan.json"}`;
  const again = commandLine("plan", `${planArguments(action, part)} ${out}`.trim());
  const hint = `${again} shows what would run now and writes it to the file. Have that approved instead.`;
  return new MigrationError(error.code, error.message, { ...error.details, hint });
}

/** A command that a coding agent has started. */
export interface AgentCommand {
  /** See `findAgent`. */
  readonly agent: string;
  readonly command: string;
  /** The arguments of `plan` for this run. @default - nothing can be planned, a person has to run it */
  readonly planned?: string | undefined;
  readonly approval?: GivenApproval | undefined;
}

/**
 * Lets a command of an agent pass only with a plan that a person has made for this database. It guards against haste
 * only: rights in the database keep an agent out.
 * @throws MigrationError `APPROVAL_REQUIRED` that tells the agent whom to ask for what
 */
export function requireApprovedPlan(target: TargetPlace | undefined, command: AgentCommand): void {
  const objection = objectionTo(target, command);
  if (objection === undefined) return;
  const { agent, planned } = command;
  const message = `${command.command} needs the approval of a person, because a coding agent runs it (${agent} is set); nothing was run${objection}`;
  throw new MigrationError("APPROVAL_REQUIRED", message, {
    hint: planned === undefined ? ASK_TO_RUN : howToApprove(command.command, planned),
  });
}

const ASK_TO_RUN =
  "Stop, and tell the person you work for what you want to run, on which database, and what would be lost. If they agree, they run it themselves, in a terminal of their own.";

function howToApprove(command: string, planned: string): string {
  const plan = commandLine("plan", `${planned} --out plan.json`.trim());
  return (
    `Stop, and show the person you work for what would run, and on which database. If they agree, they run \`${plan}\` ` +
    `in a terminal of their own, with the same settings. Then \`${commandLine(command, "--plan plan.json")}\` runs exactly that.`
  );
}

/** Completes a message; undefined where a person has approved. */
function objectionTo(
  target: TargetPlace | undefined,
  { planned, approval }: AgentCommand,
): string | undefined {
  if (approval === undefined || planned === undefined) return "";
  if (approval.kind === "digest")
    return ". A digest alone does not tell who approved it: give the plan's file";
  const { file, approved } = approval;
  if (approved.agent !== null) {
    return `. ${file} was made by an agent (${approved.agent} was set), which approves nothing`;
  }
  const [made, here] = [addressOf(approved.database), target && addressOf(databaseOf(target))];
  return made === here ? undefined : `. ${file} was made on the database ${made}, not on ${here}`;
}

/** The database of a target, as a plan file names it. */
export function databaseOf({ connection: { host, port, database } }: TargetPlace): PlanFile["database"] {
  return { host, port, name: database };
}

function addressOf({ host, port, name }: PlanFile["database"]): string {
  return `${name} on ${host}:${port}`;
}

/** The arguments of `plan` for the same run. */
export function planArguments(action: Action, extent: CommandInput): string {
  const direction = action === "up" ? [] : [`--${action}`];
  return [...direction, ...commandArguments(extent)].join(" ");
}

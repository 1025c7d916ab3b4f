import { findAgent, isLoopback } from "../client/index.ts";
import { MigrationError } from "../core/index.ts";
import { type AgentCommand, requireApprovedPlan } from "./approval.ts";
import { commandLine, type ProcessIo } from "./process-io.ts";
import type { TargetPlace } from "./settings/target.ts";

/** A command that takes something away, or changes only the record. */
export interface RiskyCommand {
  readonly command: string;
  /** The flag that makes it risky. */
  readonly flag?: string;
  /** Completes "… on database x". */
  readonly effect: string;
  readonly flags: { readonly yes?: boolean | undefined; readonly json?: boolean | undefined };
}

/** A command that changes a database. */
export interface ChangingCommand extends Omit<AgentCommand, "agent"> {
  /** What a person has to confirm. @default - it takes nothing away */
  readonly risk?: Omit<RiskyCommand, "command"> | undefined;
}

/**
 * The one place that asks before a command changes a database: a coding agent for a plan that a person has approved, a
 * person for the name of the database.
 * @throws MigrationError `APPROVAL_REQUIRED`, or what `confirmRisk` throws
 */
export async function requireConsent(
  io: ProcessIo,
  target: TargetPlace,
  { risk, ...command }: ChangingCommand,
): Promise<void> {
  const agent = findAgent(io.env);
  if (agent === undefined) {
    if (risk !== undefined) await confirmRisk(io, target, { ...risk, command: command.command });
    return;
  }
  if (risk === undefined && isOnThisMachine(target)) return;
  const written = [command.command, risk?.flag].filter((part) => part !== undefined).join(" ");
  requireApprovedPlan(target, { agent, ...command, command: written });
}

/** Asks before tables of another machine's database are locked. @throws as `requireConsent` */
export async function requireMeasuring(
  io: ProcessIo,
  target: TargetPlace,
  { command, flags }: Pick<RiskyCommand, "command" | "flags">,
): Promise<void> {
  if (isOnThisMachine(target)) return;
  const effect = "This runs what is pending and rolls it back, which locks tables,";
  await requireConsent(io, target, { command, risk: { effect, flag: "--measure", flags } });
}

function isOnThisMachine({ connection, local }: TargetPlace): boolean {
  return local || isLoopback(connection.host);
}

/**
 * Asks for the name of the database before a risky command works on one that is not on this machine. Where nobody can be
 * asked, `--yes` is needed.
 * @throws MigrationError `USAGE` where nobody can be asked, `CANCELLED` for another answer
 */
export async function confirmRisk(
  io: ProcessIo,
  target: TargetPlace,
  { command, flag, effect, flags }: RiskyCommand,
): Promise<void> {
  if (flags.yes || isOnThisMachine(target)) return;
  const { database, host } = target.connection;
  const where = `database ${database} on ${host}`;
  const answer = flags.json
    ? undefined
    : await io.ask(`${effect} on ${where}. Type the name of the database to go on: `);
  if (answer === undefined) {
    const typed = flag === undefined ? [command, "--yes"] : [`${command} ${flag}`, `${flag} --yes`];
    throw new MigrationError("USAGE", `${typed[0]} on ${where} has to be confirmed; nothing was run`, {
      hint: `Run it at a terminal, which asks, or add --yes: ${commandLine(command, typed[1])}`,
    });
  }
  if (answer.trim() === database) return;
  throw new MigrationError("CANCELLED", `"${answer.trim()}" is not the name of the database, "${database}"`);
}

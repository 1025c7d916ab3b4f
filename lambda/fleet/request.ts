import * as v from "valibot";
import { given, MigrationError } from "../../lib/core/index.ts";
import { problemsOf } from "../runtime/schema.ts";
import { TARGET_REQUEST, type TargetRequest } from "./item.ts";

const name = v.pipe(v.string(), v.nonEmpty("must not be empty"));
const wholeNumber = "must be a whole number from 0 up";
const count = v.pipe(v.number(), v.integer(wholeNumber), v.minValue(0, wholeNumber));
const canary = v.union([count, name, v.pipe(v.array(name), v.minLength(1))]);

/** The input of an execution. */
const INPUT = v.strictObject({
  command: v.picklist(["status", "plan", "up", "down"]),
  confirm: v.exactOptional(v.string()),
  to: v.exactOptional(name),
  targets: v.exactOptional(v.pipe(v.array(name), v.minLength(1, "must name at least one target"))),
  canary: v.exactOptional(canary),
  toleratedFailures: v.exactOptional(count),
});
type Input = v.InferOutput<typeof INPUT>;

const COMMANDS = { status: ["status", "plan"], operate: ["up", "down"] } as const;

/** Which state machine runs: the one that only reads, or the one that changes databases. */
const MACHINE = v.picklist(["status", "operate"]);

const allowEmpty = v.optional(v.boolean(), false);
const SOURCE = v.variant("kind", [
  v.strictObject({ kind: v.literal("query"), allowEmpty }),
  v.strictObject({ kind: v.literal("list"), targets: v.unknown(), allowEmpty }),
  v.strictObject({ kind: v.literal("secretsByTag"), key: v.string(), value: v.string(), allowEmpty }),
  v.strictObject({ kind: v.literal("json"), bucket: v.string(), key: v.string(), allowEmpty }),
]);
/** Where the targets of a fleet come from. */
export type TargetsSource = v.InferOutput<typeof SOURCE>;

/** What the state machine hands over at its beginning. All but `request` is in its definition. */
const PREPARE = v.strictObject({
  machine: MACHINE,
  execution: v.pipe(v.string(), v.regex(/^(?!\.{1,2}$)[^/\s]{1,80}$/, "must be the name of an execution")),
  request: v.unknown(),
  fleet: v.strictObject({
    name,
    canary,
    pauseSeconds: count,
    approval: v.boolean(),
    maxConcurrency: v.pipe(count, v.minValue(1)),
    maxConcurrencyPerServer: v.pipe(count, v.minValue(1)),
    toleratedFailures: count,
    allowDown: v.boolean(),
  }),
  source: SOURCE,
});
export type PreparePayload = v.InferOutput<typeof PREPARE>;

/** @throws MigrationError `ASSET` for what only a changed state machine hands over */
export function parsePrepare(payload: unknown): PreparePayload {
  const parsed = v.safeParse(PREPARE, payload);
  if (parsed.success) return parsed.output;
  throw new MigrationError("ASSET", `this is no execution of a fleet: ${problemsOf(parsed.issues)}`, {
    hint: "The construct's state machines invoke this function: deploy again, and start an execution of theirs.",
  });
}

/** What an execution does, once it may. */
export interface FleetRequest {
  /** For each target. */
  readonly request: TargetRequest;
  /** Names; undefined for all. */
  readonly targets: readonly string[] | undefined;
  readonly canary: number | string | readonly string[];
  readonly toleratedFailures: number;
}

/**
 * Reads what a person, or a deploy, has started the execution with.
 * @throws MigrationError `USAGE`, also for what is not confirmed or not allowed
 */
export function parseFleetRequest({ machine, request, fleet }: PreparePayload): FleetRequest {
  const parsed = v.safeParse(INPUT, request);
  if (!parsed.success) throw invalid(parsed.issues, machine);
  const { command, to, targets, canary = fleet.canary } = parsed.output;
  const { toleratedFailures = fleet.toleratedFailures } = parsed.output;
  requireMachine(parsed.output, machine);
  const forTarget = v.safeParse(TARGET_REQUEST, given({ command, to }));
  if (!forTarget.success) throw invalid(forTarget.issues, machine);
  if (machine === "operate") requirePermission(parsed.output, fleet);
  return {
    request: forTarget.output,
    ...{ targets, toleratedFailures },
    // Reading a target cannot spoil it.
    canary: machine === "status" ? 0 : canary,
  };
}

function requireMachine({ command }: Input, machine: PreparePayload["machine"]): void {
  const commands: readonly string[] = COMMANDS[machine];
  if (commands.includes(command)) return;
  throw new MigrationError("USAGE", `this state machine does not run ${command}`, {
    hint: `It runs ${commands.join(" and ")}. The other state machine of the fleet runs ${command}.`,
  });
}

function requirePermission({ command, confirm }: Input, fleet: PreparePayload["fleet"]): void {
  if (confirm !== fleet.name) {
    const given =
      confirm === undefined ? "confirm is missing" : `confirm is "${confirm}", which is not this fleet`;
    throw new MigrationError("USAGE", given, {
      hint: `Say which fleet is meant: "confirm": "${fleet.name}".`,
    });
  }
  if (command !== "down" || fleet.allowDown) return;
  throw new MigrationError("USAGE", "down is not allowed in this fleet", {
    hint: "It would undo migrations, and data with them. The construct's `allowDown: true` allows it.",
  });
}

function invalid(
  issues: readonly v.BaseIssue<unknown>[],
  machine: PreparePayload["machine"],
): MigrationError {
  return new MigrationError("USAGE", `the input of the execution is invalid: ${problemsOf(issues)}`, {
    hint: `The commands are ${COMMANDS[machine].join(" and ")}; docs/fleets.md shows an input of each. Down needs "to", because the targets may have different migrations.`,
  });
}

import * as v from "valibot";
import { MigrationError } from "../../lib/core/index.ts";
import type { OperateRequest, StatusRequest } from "../contract.ts";
import { problemsOf } from "../runtime/schema.ts";

const name = v.pipe(v.string(), v.nonEmpty());
const count = v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1)));
const to = v.exactOptional(name);
const note = v.exactOptional(v.string());
const downExtent = {
  count,
  to,
  batch: v.exactOptional(v.boolean()),
  from: v.exactOptional(v.picklist(["file", "history"])),
};

/** What the status function can be asked. */
const Status = v.variant("action", [
  v.strictObject({ action: v.literal("status") }),
  v.strictObject({
    action: v.literal("plan"),
    direction: v.exactOptional(v.picklist(["up", "down"])),
    ...downExtent,
  }),
  v.strictObject({
    action: v.literal("history"),
    migration: v.exactOptional(name),
    state: v.exactOptional(v.picklist(["started", "finished", "failed"])),
    limit: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000))),
  }),
]);

const confirm = v.string();

/** What the operate function can be told. */
const Operate = v.variant("action", [
  v.strictObject({ action: v.literal("up"), confirm, count, to }),
  v.strictObject({ action: v.literal("down"), confirm, ...downExtent }),
  v.strictObject({ action: v.literal("redo"), confirm, count }),
  v.strictObject({ action: v.literal("repair"), confirm, migrations: v.exactOptional(v.array(name)), note }),
  v.strictObject({
    action: v.literal("resolve"),
    confirm,
    migration: name,
    outcome: v.picklist(["retry", "applied", "reverted"]),
    note,
  }),
  v.strictObject({ action: v.literal("baseline"), confirm, to, note }),
]);

/** @throws MigrationError `USAGE` */
export function parseStatusRequest(payload: unknown): StatusRequest {
  const request = parse(Status, payload);
  if (request.action !== "plan" || request.direction === "down") return request;
  const downOnly = request.batch ? "batch" : request.from && "from";
  if (!downOnly) return request;
  throw new MigrationError("USAGE", `${downOnly} is about undoing`, {
    hint: 'Add "direction": "down", or leave it out.',
  });
}

/** How the operate function was set up. */
export interface Permissions {
  readonly database: string;
  readonly allowDown: boolean;
}

/** @throws MigrationError `USAGE`, for what was not confirmed and what is not allowed too */
export function parseOperateRequest(payload: unknown, { database, allowDown }: Permissions): OperateRequest {
  const request = parse(Operate, payload);
  const { action } = request;
  if (request.confirm !== database) {
    throw new MigrationError("USAGE", `confirm is "${request.confirm}", which is not this database`, {
      hint: `Say which database is meant: "confirm": "${database}".`,
    });
  }
  if (!allowDown && (action === "down" || action === "redo")) {
    throw new MigrationError("USAGE", `${action} is not allowed on this database`, {
      hint: "It would undo migrations, and data with them. The construct's `allowDown: true` allows it.",
    });
  }
  return request;
}

function parse<Schema extends typeof Status | typeof Operate>(
  schema: Schema,
  payload: unknown,
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, payload);
  if (parsed.success) return parsed.output;
  throw new MigrationError("USAGE", `the payload cannot be: ${problemsOf(parsed.issues)}`, {
    hint: `The actions are ${schema.options.map(({ entries }) => entries.action.literal).join(", ")}; the runbook shows a payload of each.`,
  });
}

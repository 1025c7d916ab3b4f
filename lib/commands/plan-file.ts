import * as v from "valibot";
import {
  type ApprovedPlan,
  Hint,
  notAPlan,
  openPlan,
  type PlannedStep,
  type PlanReport,
  sealPlan,
} from "../core/index.ts";

/** A plan as `plan --out` writes it: what an approval covers, and what tells its reader where it comes from. */
export interface PlanFile extends ApprovedPlan {
  readonly version: 1;
  /** The database it was made on. Not part of the digest. */
  readonly database: PlannedDatabase;
  /** Who made it. */
  readonly actor: string;
  /** The coding agent in whose environment it was made: nobody has approved it by making it. Null for a person. */
  readonly agent: string | null;
}

export interface PlannedDatabase {
  readonly host: string;
  readonly port: number;
  readonly name: string;
}

const text = v.pipe(v.string(), v.nonEmpty());
const Digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const Step = v.object({
  migration: text,
  direction: v.picklist(["up", "down"]),
  sql: v.nullable(v.array(v.string())),
  transactional: v.nullable(v.boolean()),
  dynamic: v.boolean(),
  source: v.picklist(["file", "history"]),
  digest: Digest,
  note: v.exactOptional(v.string()),
});

/** What an approval covers. */
export const APPROVED_PLAN = v.object({
  action: v.picklist(["up", "down", "redo"]),
  digest: Digest,
  head: v.nullable(text),
  schema: v.array(text),
  steps: v.array(Step),
}) satisfies v.GenericSchema<ApprovedPlan>;

const File = v.object({
  version: v.literal(1),
  ...APPROVED_PLAN.entries,
  to: v.exactOptional(text),
  from: v.exactOptional(v.picklist(["file", "history"])),
  database: v.object({ host: text, port: v.number(), name: text }),
  actor: v.string(),
  agent: v.nullable(v.string()),
});

/** The text of a plan file. */
export function writePlan({ version, action, digest, head, schema, steps, ...rest }: PlanFile): string {
  const { database, actor, agent, to, from } = rest;
  const origin = { database, actor, agent };
  return sealPlan({ version, action, digest, head, schema, to, from, ...origin, steps: steps.map(inFile) });
}

/** Only what is read again. */
function inFile(step: PlannedStep): PlannedStep {
  return v.parse(Step, step);
}

/**
 * Reads a plan file.
 * @throws MigrationError `USAGE` for another kind of file, a plan of another command, and one that was edited
 */
export function readPlan(content: string, file: string, action: PlanReport["action"]): PlanFile {
  const parsed = v.safeParse(File, openPlan(content, file));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw notAPlan(file, `is not a plan of this version: ${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
  }
  const planned = parsed.output.action;
  if (planned === action) return parsed.output;
  const plan = action === "up" ? "plan --out" : `plan --${action} --out`;
  throw notAPlan(file, `is a plan of ${planned}, not of ${action}`, {
    hint: Hint.of`${`\`${plan}\``} writes a plan of ${action}; ${Hint.command(planned, { plan: file })} runs this one.`,
  });
}

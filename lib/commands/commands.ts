import * as v from "valibot";
import { given, Hint, MEASURE_DEFAULTS, MigrationError } from "../core/index.ts";
import { type Migrator, maskedPlan, type RestOfRun } from "../engine/index.ts";
import {
  batch,
  choice,
  contract,
  downCount,
  type Field,
  fake,
  from,
  maxLock,
  name,
  note,
  optional,
  plan,
  positive,
  preflight,
  someTime,
  upExtent,
} from "./fields.ts";
import { approvalOf, type Pinned, pinDown, pinRedo, pinUp } from "./pinning.ts";

/**
 * What a command may do to the database: nothing, change it, or change it so that data may be lost. The status function
 * runs those that read, the operate function the others, and those that undo only where `allowDown` is set.
 */
export type Access = "read" | "write" | "undo";

interface Definition<Fields extends v.ObjectEntries, Report extends object> {
  readonly summary: string;
  readonly access: Access;
  /** A field that asks for more than that: then the command may write. */
  readonly writesWith?: keyof Fields & string;
  readonly fields: Fields;
  /** Refuses fields that exclude each other, before anything connects. */
  readonly check?: (input: Input<Fields>) => void;
  /** @param rest of a run that is divided: what is left to do of it */
  readonly run: (migrator: Migrator, input: Input<Fields>, rest?: RestOfRun) => Promise<Report>;
  /** For a command that takes others each time it runs: what it takes now. Undefined if the input says that already. */
  readonly pin?: (migrator: Migrator, input: Input<Fields>) => Promise<Pinned> | undefined;
}

type Input<Fields extends v.ObjectEntries> = v.InferOutput<v.StrictObjectSchema<Fields, undefined>>;

/** Makes a command that input from outside can be given to: `prepare` says what is wrong with it, or runs it. */
function command<Fields extends Record<string, Field>, Report extends object>(
  definition: Definition<Fields, Report>,
) {
  const schema = v.strictObject(definition.fields);
  return {
    ...definition,
    prepare(input: unknown) {
      const parsed = v.safeParse(schema, input);
      if (!parsed.success) return { issues: parsed.issues, run: undefined };
      const { output } = parsed;
      definition.check?.(output);
      return {
        issues: undefined,
        run: (migrator: Migrator, rest?: RestOfRun): Promise<object> =>
          definition.run(migrator, output, rest),
        pin: (migrator: Migrator): Promise<Pinned> | undefined => definition.pin?.(migrator, output),
      };
    },
  };
}

/** Nothing is planned for a run that only changes the record. */
function refuseFakePlan({ fake, plan }: { readonly fake?: boolean; readonly plan?: string }): void {
  if (!fake || plan === undefined) return;
  throw new MigrationError("USAGE", "a plan is about SQL that runs, and fake runs none", {
    hint: Hint.of`Leave ${Hint.field("plan")} or ${Hint.field("fake")} out.`,
  });
}

/** The history keeps a note with the decision that it is about. */
export function requireContractOfNote({
  contract,
  note,
}: {
  readonly contract?: string;
  readonly note?: string;
}): void {
  if (note === undefined || contract !== undefined) return;
  throw new MigrationError("USAGE", "a note of up is about a contract that waits, and none is named", {
    hint: Hint.of`Name it with ${Hint.field("contract")}, or leave ${Hint.field("note")} out.`,
  });
}

function milliseconds(value: number | undefined): number | undefined {
  return value === undefined ? undefined : value * 1_000;
}

interface Measuring {
  readonly down?: boolean | undefined;
  readonly redo?: boolean | undefined;
  readonly measure?: boolean | undefined;
  readonly maxLock?: number | undefined;
  readonly lockTimeout?: number | undefined;
  readonly statementTimeout?: number | undefined;
}

const LIMITS = ["maxLock", "lockTimeout", "statementTimeout"] as const;

/** Only `up` is measured: it is what a deploy runs. */
function refuseUnmeasured({ down, redo, measure, ...limits }: Measuring): void {
  const undone = down ? "down" : redo && "redo";
  if (measure && undone) {
    throw new MigrationError("USAGE", `a plan of ${undone} cannot be measured`, {
      hint: Hint.of`Leave ${Hint.field("measure")} or ${Hint.field(undone)} out.`,
    });
  }
  const limit = LIMITS.find((one) => limits[one] !== undefined);
  if (measure || limit === undefined) return;
  throw new MigrationError("USAGE", `${limit} limits measuring, and nothing is measured`, {
    hint: Hint.of`Add ${Hint.field("measure")}, or leave ${Hint.field(limit)} out.`,
  });
}

const OUTCOMES = ["retry", "applied", "reverted"] as const;

/** The commands that the CLI and the functions share. Both know them, and their fields, under these names. */
export const COMMANDS = {
  status: command({
    summary: "show every migration and its state",
    access: "read",
    fields: {},
    run: (migrator) => migrator.status(),
  }),
  plan: command({
    summary: "show the exact SQL that would run",
    access: "read",
    fields: {
      count: optional(positive, "how many migrations (default: all; with `down` or `redo`: 1)"),
      down: optional(v.boolean(), "the SQL of `down`"),
      redo: optional(v.boolean(), "the SQL of `redo`"),
      to: optional(name, "as `up` or `down` take it"),
      batch: optional(v.boolean(), "with `down` or `redo`: everything that the last run applied"),
      from,
      contract,
      measure: optional(v.boolean(), "run it too and roll it back: what it locks, and for how long"),
      maxLock,
      lockTimeout: optional(
        someTime,
        `with \`measure\`: the longest wait for a lock, and of others for its locks (default: ${MEASURE_DEFAULTS.lockTimeoutMs / 1_000})`,
      ),
      statementTimeout: optional(
        someTime,
        `with \`measure\`: the longest statement (default: ${MEASURE_DEFAULTS.statementTimeoutMs / 1_000})`,
      ),
    },
    writesWith: "measure",
    check: ({ down, redo, batch, from, to, contract, measure, maxLock, lockTimeout, statementTimeout }) => {
      if (contract !== undefined && (down || redo)) {
        throw new MigrationError("USAGE", "a contract waits to be applied, not to be undone", {
          hint: Hint.of`Leave ${Hint.field("contract")} out.`,
        });
      }
      refuseUnmeasured({ down, redo, measure, maxLock, lockTimeout, statementTimeout });
      const downOnly = batch ? "batch" : from && "from";
      if (downOnly && !down && !redo) {
        throw new MigrationError("USAGE", `${downOnly} is about undoing`, {
          hint: Hint.of`Add ${Hint.field("down")}, or leave ${Hint.field(downOnly)} out.`,
        });
      }
      const excluded = redo && (down ? "down" : to && "to");
      if (!excluded) return;
      throw new MigrationError("USAGE", `a plan of redo cannot have ${excluded} too`, {
        hint: Hint.of`Leave ${Hint.field("redo")} or ${Hint.field(excluded)} out.`,
      });
    },
    run: async (migrator, { down, redo, measure, maxLock, lockTimeout, statementTimeout, ...extent }) => {
      const limits = given({
        maxLockMs: milliseconds(maxLock),
        lockTimeoutMs: milliseconds(lockTimeout),
        statementTimeoutMs: milliseconds(statementTimeout),
      });
      if (measure) return maskedPlan(await migrator.measureUp(extent, limits));
      if (redo) return maskedPlan(await migrator.planRedo(extent));
      return maskedPlan(await (down ? migrator.planDown(extent) : migrator.planUp(extent)));
    },
  }),
  history: command({
    summary: "show what was done to this database, newest first",
    access: "read",
    fields: {
      migration: optional(name, "only this migration"),
      action: choice(["up", "down", "fake", "baseline", "repair", "resolve"], "only this action"),
      state: choice(["started", "finished", "failed"], "only what is in this state"),
      limit: optional(
        v.pipe(positive, v.maxValue(1_000, "must be at most 1000")),
        "at most so many (default: 50)",
      ),
    },
    run: (migrator, filter) => migrator.history(filter),
  }),
  up: command({
    summary: "apply pending migrations",
    access: "write",
    fields: {
      ...upExtent,
      fake: fake("record the migrations as applied, run no SQL"),
      plan,
      contract,
      note: optional(v.string(), "with `contract`: why it may run, for the history"),
      maxLock,
      preflight,
    },
    check: (input) => {
      refuseFakePlan(input);
      requireContractOfNote(input);
    },
    run: (migrator, { fake, plan, maxLock, ...extent }) =>
      migrator.up(
        { ...extent, ...given({ approved: plan, maxLockMs: milliseconds(maxLock) }) },
        fake ? "fake" : "execute",
      ),
    pin: pinUp,
  }),
  down: command({
    summary: "undo the migrations applied last",
    access: "undo",
    fields: {
      count: downCount,
      to: optional(name, "everything applied after this migration, which stays"),
      batch,
      from,
      fake: fake("remove the migrations from the record, run no SQL"),
      plan,
      preflight,
    },
    check: refuseFakePlan,
    run: (migrator, { fake, plan, ...extent }, rest) =>
      migrator.down(
        { ...extent, ...given({ approved: approvalOf(plan, rest), rest }) },
        fake ? "fake" : "execute",
      ),
    pin: pinDown,
  }),
  redo: command({
    summary: "undo the last migrations and apply the same again",
    access: "undo",
    fields: { count: downCount, batch, from, plan, preflight },
    run: (migrator, { plan, ...extent }, rest) =>
      migrator.redo({ ...extent, ...given({ approved: plan, rest }) }),
    pin: pinRedo,
  }),
  repair: command({
    summary: "accept applied migrations whose files have changed, or were renamed",
    access: "write",
    fields: { migrations: optional(v.array(name), "which (default: all that are changed)"), note },
    run: (migrator, { migrations, note }) => migrator.repair(migrations, note),
  }),
  rename: command({
    summary: "record that the file of an applied migration has another name now",
    access: "write",
    fields: {
      migration: { ...name, meaning: "the name that is recorded" },
      to: { ...name, meaning: "the name of its file now" },
      note,
    },
    run: (migrator, { migration, to, note }) => migrator.rename(migration, to, note),
  }),
  resolve: command({
    summary: "settle a migration that stopped part-way, outside a transaction",
    access: "write",
    fields: {
      migration: { ...name, meaning: "the migration" },
      outcome: {
        ...v.picklist(OUTCOMES),
        choices: OUTCOMES,
        meaning:
          "`retry` goes on after its last finished statement; `applied`: finished by hand; `reverted`: undone by hand",
      },
      note,
    },
    run: (migrator, { migration, outcome, note }) => migrator.resolve(migration, outcome, note),
  }),
  baseline: command({
    summary: "declare an existing database to be at a migration, run no SQL",
    access: "write",
    fields: { to: optional(name, "it and all before it count as applied (default: none)"), note },
    run: (migrator, { to, note }) => migrator.baseline(to, note),
  }),
};

export type CommandName = keyof typeof COMMANDS;

export const COMMAND_NAMES: readonly CommandName[] = Object.keys(COMMANDS).filter(isCommandName);

export function isCommandName(text: string): text is CommandName {
  return Object.hasOwn(COMMANDS, text);
}

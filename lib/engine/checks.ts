import {
  type ErrorCode,
  type ErrorDetails,
  type Finding,
  given,
  Hint,
  MigrationError,
  type OrderPolicy,
} from "../core/index.ts";
import { maskSecrets } from "../sql/index.ts";
import { differingFinding, incompleteFinding } from "./baselines.ts";
import type { Context } from "./context.ts";
import { type Classified, type DatabaseState, namesIn, outOfOrder } from "./database-state.ts";
import { readUpSql } from "./history/recorded-sql.ts";
import { MISSING_SCHEMA_HINT, missingSchemaMessage } from "./history/tables.ts";

/** Whether a run is allowed. */
export interface Checks {
  /** Reasons not to run, gravest first. */
  readonly refusals: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** The part of the state that decides whether a run is allowed. */
type CheckedState = Pick<
  DatabaseState,
  | "classified"
  | "superseded"
  | "baselines"
  | "contracts"
  | "resumable"
  | "renamed"
  | "unmanaged"
  | "missingSchemas"
>;

/** Whether `up` may run. */
export function checkUp(state: CheckedState, order: OrderPolicy): Checks {
  const { classified, superseded, unmanaged, renamed, baselines, resumable } = state;
  const renames = new Set([...renamed.keys(), ...renamed.values()]);
  const others = (names: readonly string[]) => names.filter((name) => !renames.has(name));
  const changed = others(namesIn(classified, "changed"));
  const byOrder = [
    finding("MISSING", others(namesIn(classified, "missing")), MISSING_TEXT),
    finding("ORDER", others(outOfOrder(ordered(state))), ORDER_TEXT),
  ];
  // A renamed migration would be applied again.
  const twice = renamedFinding(renamed);
  return {
    refusals: present([
      missingSchema(state),
      unmanaged ? UNMANAGED : undefined,
      finding(
        "PARTIAL",
        others(namesIn(classified, "partial")).filter((name) => !resumable.has(name)),
        PARTIAL_TEXT,
      ),
      finding(
        "CHANGED",
        changed.filter((name) => !superseded.has(name)),
        CHANGED_TEXT,
      ),
      ...baselines.flatMap((one) => [incompleteFinding(one), differingFinding(one)]),
      order === "allow" ? undefined : twice,
      ...(order === "strict" ? byOrder : []),
    ]),
    warnings: present([
      finding(
        "CHANGED",
        changed.filter((name) => superseded.has(name)),
        SUPERSEDED_TEXT,
      ),
      order === "allow" ? twice : undefined,
      ...(order === "warn" ? byOrder : []),
      finding("MISSING", others(namesIn(classified, "ahead")), AHEAD_TEXT),
    ]),
  };
}

function present(findings: readonly (Finding | undefined)[]): Finding[] {
  return findings.filter((one) => one !== undefined);
}

/** A baseline that runs no SQL has no place in the order, and a contract lets later migrations run while it waits. */
function ordered({ classified, baselines, contracts }: CheckedState): readonly Classified[] {
  const recorded = new Set(baselines.flatMap(({ name, has }) => (has === "none" ? [] : [name])));
  return classified.filter(({ name }) => !recorded.has(name) && !contracts?.targets.has(name));
}

/** Whether `down` may run: not while a migration is partial. */
export function checkDown({ classified, resumable }: Pick<CheckedState, "classified" | "resumable">): Checks {
  const partial = namesIn(classified, "partial");
  const stopped = partial.filter((name) => !resumable.has(name));
  const left = partial.filter((name) => resumable.has(name));
  return {
    refusals: present([finding("PARTIAL", stopped, PARTIAL_TEXT), finding("PARTIAL", left, LEFT_TEXT)]),
    warnings: [],
  };
}

/** @throws MigrationError with the code of the gravest refusal; for a changed migration with its SQL before and after */
export async function requireAllowed(
  context: Context,
  state: DatabaseState,
  { refusals: [refusal] }: Checks,
): Promise<void> {
  if (refusal === undefined) return;
  const { code, message, hint, migrations } = refusal;
  const [migration] = migrations;
  const changes = code === "CHANGED" ? await describeChanges(context, state) : {};
  throw new MigrationError(code, message, {
    hint,
    ...given({ migration }),
    ...changes,
  });
}

async function describeChanges(
  { session, tables }: Context,
  { existing, stored, changed, superseded }: DatabaseState,
): Promise<Pick<ErrorDetails, "changes" | "redo">> {
  const recorded = await readUpSql(session, tables, existing, [...changed.keys()]);
  const changes = [...changed]
    .filter(([migration]) => !superseded.has(migration))
    .map(([migration, after]) => ({
      migration,
      // Masked again: an older version masked each character, and the mask is no difference.
      before: recorded.get(migration)?.map(maskSecrets) ?? null,
      after: (after ?? []).map(maskSecrets),
    }));
  const order = stored.applied.map(({ name }) => name);
  const oldest = Math.min(...changes.map(({ migration }) => order.indexOf(migration)));
  return { changes, redo: order.length - oldest };
}

/** A mistyped schema holds no records of migrations. Without this refusal all migrations would seem pending. */
function missingSchema({ classified, missingSchemas: [schema] }: CheckedState): Finding | undefined {
  if (schema === undefined || classified.every(({ state }) => state !== "pending")) return undefined;
  return {
    code: "SCHEMA_NOT_FOUND",
    migrations: [],
    message: missingSchemaMessage(schema),
    hint: MISSING_SCHEMA_HINT,
  };
}

interface Text {
  readonly message: (names: string) => string;
  readonly hint: string | Hint;
}

const UNMANAGED: Finding = {
  code: "UNMANAGED",
  migrations: [],
  message: "the database has tables in it, and no record of migrations",
  hint: Hint.of`Is it the right one? If it is: ${Hint.command("baseline")} says which migrations it already has (none, or as far as ${Hint.field("to")}).`,
};

const PARTIAL_TEXT: Text = {
  message: (names) => `stopped part-way, outside a transaction: ${names}`,
  hint: Hint.of`Look at what its statements left behind, then settle it with ${Hint.command("resolve")}.`,
};
const LEFT_TEXT: Text = {
  message: (names) => `left to the server in the middle of a concurrent statement: ${names}`,
  hint: Hint.of`${Hint.command("up")} goes on with it; then it can be undone.`,
};
const CHANGED_TEXT: Text = {
  message: (names) => `changed after it was applied: ${names}`,
  hint: Hint.of`Restore the file and put the change into a new migration; ${Hint.command("repair")} accepts a change that is known to be harmless.`,
};
const SUPERSEDED_TEXT: Text = {
  message: (names) => `an earlier version than the one accepted since: ${names}`,
  hint: "None of its SQL runs. Restore the newer version of the file if this code is to stay.",
};
const MISSING_TEXT: Text = {
  message: (names) => `applied to the database, but the file is gone: ${names}`,
  hint: Hint.of`Bring the file back, or go on without it with ${Hint.option("order", "warn")}. Where it was renamed and edited as well, give it its name back first.`,
};
const ORDER_TEXT: Text = {
  message: (names) => `not applied, and older than what is: ${names}`,
  hint: Hint.of`Give it a newer timestamp (rename the file), or apply it where it is with ${Hint.option("order", "allow")}.`,
};
const AHEAD_TEXT: Text = {
  message: (names) => `the database is ahead of these files: ${names}`,
  hint: "Newer code has run on this database. Nothing is undone.",
};

const SHOWN = 5;

function renamedFinding(renamed: ReadonlyMap<string, string>): Finding | undefined {
  const pairs = [...renamed].slice(0, SHOWN).map(([before, now]) => `${before}, whose file is now ${now}`);
  if (pairs.length === 0) return undefined;
  return {
    code: "MISSING",
    migrations: [...renamed.keys()],
    message: `applied under another name: ${pairs.join("; ")}`,
    hint: Hint.of`Give the file its name back; or record the new one: ${Hint.command("repair")} does so, and runs nothing.`,
  };
}

function finding(code: ErrorCode, migrations: readonly string[], text: Text): Finding | undefined {
  if (migrations.length === 0) return undefined;
  const more = migrations.length > SHOWN ? ` and ${migrations.length - SHOWN} more` : "";
  const names = migrations.slice(0, SHOWN).join(", ") + more;
  return { code, migrations, message: text.message(names), hint: text.hint };
}

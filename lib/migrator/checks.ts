import {
  type ErrorCode,
  type Finding,
  MigrationError,
  type MigrationState,
  type OrderPolicy,
} from "../core/index.ts";
import { type Classified, outOfOrder } from "./database-state.ts";

export interface Gate {
  /** Reasons not to run, gravest first. */
  readonly refusals: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** What the gate looks at. */
export interface Situation {
  readonly classified: readonly Classified[];
  /** Changed migrations whose SQL is what was recorded before a `repair` accepted another: files of an earlier commit. */
  readonly superseded: ReadonlySet<string>;
  /** True for a database with tables in it that no migration tool keeps a record of. */
  readonly unmanaged: boolean;
  /** Configured schemas that do not exist and are not to be created. */
  readonly missingSchemas: readonly string[];
  /** New names of applied migrations whose files were renamed, by the old ones. */
  readonly renamed: ReadonlyMap<string, string>;
}

/** Whether `up` may run on what the database and the files say together. */
export function gateUp(situation: Situation, order: OrderPolicy): Gate {
  const { classified, superseded, unmanaged, renamed } = situation;
  const renames = new Set([...renamed.keys(), ...renamed.values()]);
  const others = (names: readonly string[]) => names.filter((name) => !renames.has(name));
  const inState = (state: MigrationState) =>
    others(classified.flatMap((m) => (m.state === state ? [m.name] : [])));
  const changed = inState("changed");
  const always = [
    finding("PARTIAL", inState("partial"), PARTIAL_TEXT),
    finding(
      "CHANGED",
      changed.filter((name) => !superseded.has(name)),
      CHANGED_TEXT,
    ),
  ];
  const older = finding(
    "CHANGED",
    changed.filter((name) => superseded.has(name)),
    SUPERSEDED_TEXT,
  );
  const byOrder = [
    finding("MISSING", inState("missing"), MISSING_TEXT),
    finding("ORDER", others(outOfOrder(classified)), ORDER_TEXT),
  ];
  // What is applied under another name would be applied again.
  const twice = renamedFinding(renamed);
  const ahead = finding("MISSING", inState("ahead"), AHEAD_TEXT);
  const present = (findings: readonly (Finding | undefined)[]) => findings.filter((f) => f !== undefined);
  return {
    refusals: present([
      missingSchema(situation),
      unmanaged ? UNMANAGED : undefined,
      ...always,
      order === "allow" ? undefined : twice,
      ...(order === "strict" ? byOrder : []),
    ]),
    warnings: present([
      older,
      order === "allow" ? twice : undefined,
      ...(order === "warn" ? byOrder : []),
      ahead,
    ]),
  };
}

/** Whether `down` may run: not while a migration is half-done. */
export function gateDown(classified: readonly Classified[]): Gate {
  const partial = classified.flatMap((m) => (m.state === "partial" ? [m.name] : []));
  const refusal = finding("PARTIAL", partial, PARTIAL_TEXT);
  return { refusals: refusal === undefined ? [] : [refusal], warnings: [] };
}

/** @throws MigrationError with the code of the gravest refusal */
export function requirePassage(gate: Gate): void {
  const [refusal] = gate.refusals;
  if (refusal === undefined) return;
  const [migration] = refusal.migrations;
  throw new MigrationError(refusal.code, refusal.message, {
    hint: refusal.hint,
    ...(migration === undefined ? {} : { migration }),
  });
}

export const missingSchemaMessage = (schema: string): string => `schema "${schema}" does not exist`;
export const MISSING_SCHEMA_HINT = "Create it, or pass --create-schema.";

/** A mistyped schema has no record of migrations: without a word about it, all of them would just seem pending. */
function missingSchema({ classified, missingSchemas: [schema] }: Situation): Finding | undefined {
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
  readonly hint: string;
}

const UNMANAGED: Finding = {
  code: "UNMANAGED",
  migrations: [],
  message: "the database has tables in it, and no record of migrations",
  hint: "Is it the right one? If it is: `baseline` says which migrations it already has (none, or as far as --to).",
};

const PARTIAL_TEXT: Text = {
  message: (names) => `stopped half-way, outside a transaction: ${names}`,
  hint: "Look at what its statements left behind, then settle it with `resolve`.",
};
const CHANGED_TEXT: Text = {
  message: (names) => `changed after it was applied: ${names}`,
  hint: "Restore the file and put the change into a new migration; `repair` accepts a change that is known to be harmless.",
};
const SUPERSEDED_TEXT: Text = {
  message: (names) => `an earlier version than the one accepted since: ${names}`,
  hint: "Nothing is run for it. Bring the newer version of the file back when this code is to stay.",
};
const MISSING_TEXT: Text = {
  message: (names) => `applied to the database, but the file is gone: ${names}`,
  hint: "Bring the file back, or go on without it with --order warn. Where it was renamed and edited as well, give it its name back first.",
};
const ORDER_TEXT: Text = {
  message: (names) => `not applied, and older than what is: ${names}`,
  hint: "Give it a newer timestamp (rename the file), or apply it where it is with --order allow.",
};
const AHEAD_TEXT: Text = {
  message: (names) => `the database is ahead of these files: ${names}`,
  hint: "Newer code has been here. Nothing is undone.",
};

const SHOWN = 5;

function renamedFinding(renamed: ReadonlyMap<string, string>): Finding | undefined {
  const pairs = [...renamed].slice(0, SHOWN).map(([before, now]) => `${before}, whose file is now ${now}`);
  if (pairs.length === 0) return undefined;
  return {
    code: "MISSING",
    migrations: [...renamed.keys()],
    message: `applied under another name: ${pairs.join("; ")}`,
    hint: "Give the file its name back; or record the new one: `repair` does so, and runs nothing.",
  };
}

function finding(code: ErrorCode, migrations: readonly string[], text: Text): Finding | undefined {
  if (migrations.length === 0) return undefined;
  const more = migrations.length > SHOWN ? ` and ${migrations.length - SHOWN} more` : "";
  const names = migrations.slice(0, SHOWN).join(", ") + more;
  return { code, migrations, message: text.message(names), hint: text.hint };
}

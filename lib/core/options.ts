import { DEFAULTS } from "./defaults.ts";
import { MigrationError } from "./errors.ts";
import { property } from "./unknown.ts";

/** What an option holds, and for a choice which values. Milliseconds are `Duration`s in constructs and seconds in flags. */
export type OptionKind =
  | { readonly kind: "name" | "names" | "switch" | "milliseconds" | "count" }
  | { readonly kind: "choice"; readonly choices: readonly string[] };

/**
 * Every option of the engine. Its default is in `DEFAULTS`, its flag and prop have its name without `Ms`, and
 * `MIGRATE_OPTIONS` has it under this name: a missing one does not compile, or fails a test.
 */
export const OPTIONS = {
  schema: { kind: "names" },
  createSchema: { kind: "switch" },
  migrationsSchema: { kind: "name" },
  migrationsTable: { kind: "name" },
  decamelize: { kind: "switch" },
  order: { kind: "choice", choices: ["strict", "warn", "allow"] },
  transaction: { kind: "choice", choices: ["each", "all"] },
  lockWaitMs: { kind: "milliseconds" },
  lockTimeoutMs: { kind: "milliseconds" },
  lockRetries: { kind: "count" },
  lockRetryDelayMs: { kind: "milliseconds" },
  statementTimeoutMs: { kind: "milliseconds" },
  connectTimeoutMs: { kind: "milliseconds" },
  startingWaitMs: { kind: "milliseconds" },
  databaseWaitMs: { kind: "milliseconds" },
} as const satisfies Readonly<Record<keyof MigratorOptions, OptionKind>>;

export type OptionName = keyof typeof OPTIONS;

/** Name of the option's construct prop: no unit, because props are `Duration`s. */
export function propOf(option: OptionName): string {
  return option.replace(/Ms$/, "");
}

/** What a pending migration older than an applied one means: refuse, go on and say so, go on. */
export type OrderPolicy = (typeof OPTIONS.order.choices)[number];

/** One transaction for each migration, or one for all of a run. */
export type TransactionMode = (typeof OPTIONS.transaction.choices)[number];

/** Who runs, for the history. */
export interface Provenance {
  /** The person or principal. */
  readonly actor: string;
  readonly origin: "cli" | "deploy" | "command";
  /** Version of the migrations, such as a git commit. Absent when unknown. Read only when something runs. */
  readonly revision?: string | undefined;
  /** Hash of the compiled bundle. Absent outside a Lambda. */
  readonly bundle?: string | undefined;
  /** Name and version of this tool. */
  readonly tool: string;
}

/** Settings of an engine; everything left out has the default that `DEFAULTS` documents. */
export interface MigratorOptions {
  /** Schemas put on the search path; the first holds the tables of the engine. */
  readonly schema?: readonly string[];
  /** Create the configured schemas when they do not exist. Default: they must exist. */
  readonly createSchema?: boolean;
  /** Schema of the engine's tables. Default: the first of `schema`. */
  readonly migrationsSchema?: string;
  readonly migrationsTable?: string;
  /** Write camelCase names of the builder as snake_case, as node-pg-migrate's option does. Default: names stay. */
  readonly decamelize?: boolean;
  readonly order?: OrderPolicy;
  readonly transaction?: TransactionMode;
  /** Milliseconds. */
  readonly lockWaitMs?: number;
  /** Milliseconds. */
  readonly lockTimeoutMs?: number;
  /** Tries after the first one; 0: a lock timeout fails at once. */
  readonly lockRetries?: number;
  /** Milliseconds. */
  readonly lockRetryDelayMs?: number;
  /** Milliseconds; 0 means no limit. */
  readonly statementTimeoutMs?: number;
  /** Milliseconds. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds. */
  readonly startingWaitMs?: number;
  /** Milliseconds to wait for a server that refuses connections or does not answer, as in a failover; 0: not at all. */
  readonly databaseWaitMs?: number;
}

/** Options with every default filled in. */
export type ResolvedOptions = Required<Omit<MigratorOptions, "schema">> & {
  readonly schema: readonly [string, ...string[]];
};

export function resolveOptions(options: MigratorOptions): ResolvedOptions {
  const [first = DEFAULTS.schema, ...rest] = options.schema ?? [];
  const resolved: ResolvedOptions = {
    ...DEFAULTS,
    ...withoutUndefined(options),
    migrationsSchema: options.migrationsSchema ?? first,
    schema: [first, ...rest],
  };
  for (const [name, { kind }] of Object.entries(OPTIONS)) {
    if (kind === "milliseconds" || kind === "count") requireNumber(name, property(resolved, name));
  }
  for (const name of [...resolved.schema, resolved.migrationsSchema, resolved.migrationsTable]) {
    requireIdentifier(name);
  }
  return resolved;
}

function requireNumber(name: string, value: unknown): void {
  if (typeof value === "number" && value >= 0 && value <= LONGEST_MS) return;
  throw new MigrationError("USAGE", `${name} must be from 0 to ${LONGEST_MS}, not ${String(value)}`);
}

/** Postgres has no NUL in a text. @throws MigrationError `USAGE` */
export function requireStorable(what: string, text: string | undefined): void {
  if (!text?.includes("\0")) return;
  throw new MigrationError("USAGE", `${what} holds a NUL character: ${JSON.stringify(text)}`, {
    hint: "Leave it out: Postgres cannot store it.",
  });
}

/** The server keeps limits of time as 32-bit numbers of milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** An undefined value must not replace a default. */
function withoutUndefined(options: MigratorOptions): MigratorOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Postgres cuts longer names silently; the history table's name is the longest derived from a setting. */
const LONGEST_NAME = 63 - "_history".length;

function requireIdentifier(name: string): void {
  if (name !== "" && Buffer.byteLength(name) <= LONGEST_NAME && !name.includes("\0")) return;
  throw new MigrationError("USAGE", `schema or table name "${name}" must have 1 to ${LONGEST_NAME} bytes`);
}

import {
  type ConnectionSettings,
  type DownSource,
  type HistoryFilter,
  MigrationError,
  type MigratorOptions,
  type Observer,
  OPTIONS,
} from "../core/index.ts";
import type { TargetEntry } from "../fleet/index.ts";
import type { FleetEvent } from "./run-waves.ts";

/** What a migrator works with. Options of the engine have the names and defaults that the commands have. */
export interface MigratorSettings extends MigratorOptions {
  /** A URL, `postgres://user:password@host:5432/name`, or its parts. @default - `DATABASE_*` of the environment and `.env` */
  readonly database?: string | ConnectionSettings;
  /** Folder of the migrations; a relative path starts in the working directory. @default "migrations" */
  readonly migrationsDir?: string;
  /** Regular expression over whole file names that are not migrations. @default - no pattern */
  readonly ignorePattern?: string;
  /** Who runs, for the history. @default - the user of the operating system, and the name of the machine */
  readonly actor?: string;
  /** Version of the migrations, for the history. @default - the git commit of the folder, where there is one */
  readonly revision?: string;
  /** Called with what happens while a run works. What it throws is ignored. @default - nothing is called */
  readonly observe?: Observer;
  /** Cancels the running statement: the run ends rolled back and unlocked, with `CANCELLED`. @default - never */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds since the epoch after which nothing is started. A statement that runs then is cancelled, and the run
   * ends with `DEADLINE`. @default - no limit
   */
  readonly deadline?: number;
}

/** Which pending migrations `up` takes: `count` or `to`, not both. @default - all */
export interface UpInput {
  /** At least 1. */
  readonly count?: number;
  /** As far as and including this migration. */
  readonly to?: string;
  /** Records the migrations as applied and runs no SQL. @default false */
  readonly fake?: boolean;
  /** Digest of an approved plan: what would run must be exactly that, else `PLAN_DIFFERS`. @default - no approval is needed */
  readonly plan?: string;
  /** A contract that runs although it waits for a release. @default - each contract waits for its release */
  readonly contract?: string;
  /** With `contract`: why it may run, for the history. @default - the history says that no reason was given */
  readonly note?: string;
  /**
   * Milliseconds. First runs what is pending in a transaction that is rolled back, and fails with `LOCK_BUDGET` when a
   * migration blocks reads or writes of a table for longer. @default - the setting of the same name
   */
  readonly maxLockMs?: number;
}

/** What `measure` runs, and how far it may go. Times are milliseconds. */
export interface MeasureInput extends Pick<UpInput, "count" | "to" | "maxLockMs"> {
  /** How long a statement waits for a lock, and other sessions for its locks before it ends. @default 500 */
  readonly lockTimeoutMs?: number;
  /** How long one statement may run. @default 30000 */
  readonly statementTimeoutMs?: number;
}

/** Which applied migrations an undo takes: `count`, `to` or `batch`, one of them. @default - the last one */
export interface DownInput {
  /** At least 1. */
  readonly count?: number;
  /** Everything that was applied after this migration, which stays. */
  readonly to?: string;
  /** Everything that the last run applied. @default false */
  readonly batch?: boolean;
  /** Which SQL undoes where a file and the history disagree. @default - that is refused */
  readonly from?: DownSource;
  /** Removes the migrations from the record and runs no SQL. @default false */
  readonly fake?: boolean;
  /** Digest of an approved plan: what would run must be exactly that, else `PLAN_DIFFERS`. @default - no approval is needed */
  readonly plan?: string;
}

/** Which targets a fleet has, and how many of them are worked on at once. */
export interface FleetSettings extends Omit<MigratorSettings, "observe" | "deadline"> {
  /** Names of schemas, or schemas and databases as objects. What one leaves out is that of `database`, as are user and password. */
  readonly targets: readonly (string | TargetEntry)[];
  /** Names of the only targets that are worked on. @default - all */
  readonly only?: readonly string[];
  /** What `up` migrates first, alone: a number, a percentage such as `10%`, or names. A failure there stops the rest. @default 1 */
  readonly canary?: number | string | readonly string[];
  /** Targets at once. @default 4 */
  readonly concurrency?: number;
  /** Targets at once on one server. @default - no other limit than `concurrency` */
  readonly perServer?: number;
  /** Failed targets after which `up` still goes on with the others. @default 0 */
  readonly tolerate?: number;
  /** Called when a wave or a target begins or ends. @default - nothing is called */
  readonly observe?: (event: FleetEvent) => void;
}

/** Every option of a type, so that one that is missing here does not compile. */
type Names<T> = Readonly<Record<keyof T, true>>;

const SETTINGS: Names<Omit<MigratorSettings, keyof MigratorOptions>> = {
  database: true,
  migrationsDir: true,
  ignorePattern: true,
  actor: true,
  revision: true,
  observe: true,
  signal: true,
  deadline: true,
};
const { deadline: _, ...FLEET_SHARED } = SETTINGS;
const FLEET: Names<Omit<FleetSettings, keyof MigratorOptions>> = {
  ...FLEET_SHARED,
  targets: true,
  only: true,
  canary: true,
  concurrency: true,
  perServer: true,
  tolerate: true,
};
const SELECTION = { count: true, to: true } as const;
const UP: Names<UpInput> = {
  ...SELECTION,
  fake: true,
  plan: true,
  contract: true,
  note: true,
  maxLockMs: true,
};
const MEASURE: Names<MeasureInput> = {
  ...SELECTION,
  maxLockMs: true,
  lockTimeoutMs: true,
  statementTimeoutMs: true,
};
const REDO: Names<Omit<DownInput, "to" | "fake">> = { count: true, batch: true, from: true, plan: true };
const DOWN: Names<DownInput> = { ...REDO, to: true, fake: true };
const HISTORY: Names<HistoryFilter> = { migration: true, action: true, state: true, limit: true };

const KNOWN = {
  openMigrator: { ...SETTINGS, ...OPTIONS },
  openFleet: { ...FLEET, ...OPTIONS },
  up: UP,
  "plan of up": { ...SELECTION, contract: true },
  "plan of down": { down: true, count: true, to: true, batch: true, from: true },
  "plan of redo": { redo: true, count: true, batch: true, from: true },
  measure: MEASURE,
  down: DOWN,
  redo: REDO,
  history: HISTORY,
} as const;

/**
 * A name with a typing error would be left out silently, and `up({ dryRun: true })` would run.
 * @throws MigrationError `USAGE` that names the option that was meant
 */
export function requireKnown(of: keyof typeof KNOWN, options: object): void {
  const known = Object.keys(KNOWN[of]);
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const [meant] = known
    .filter((name) => isWithin(unknown, name) || isWithin(name, unknown))
    .sort((a, b) => distance(a, unknown) - distance(b, unknown));
  throw new MigrationError("USAGE", `${of} has no option "${unknown}"`, {
    hint: meant === undefined ? `The options are ${known.join(", ")}.` : `Did you mean ${meant}?`,
  });
}

const distance = (a: string, b: string): number => Math.abs(a.length - b.length);

/** Whether the letters of a name come in the same order in another one, with or without others in between. */
function isWithin(short: string, long: string): boolean {
  const letters = [...short.toLowerCase()].filter((letter) => /\w/.test(letter) && letter !== "_");
  let from = -1;
  return letters.every((letter) => {
    from = long.toLowerCase().indexOf(letter, from + 1);
    return from >= 0;
  });
}

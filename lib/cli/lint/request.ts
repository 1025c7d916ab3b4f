import type { ForecastFailure, PlannedMigration } from "../../migrator/index.ts";

import type { KnownColumn } from "./tree/types.ts";

/** What undoing a pending migration would send, as far as its file tells. */
export type DownForecast =
  | { readonly kind: "static"; readonly sql: readonly string[]; readonly transactional: boolean }
  /** Depends on what the database answers while it is built. */
  | { readonly kind: "dynamic" }
  /** There is no down and none can be inferred, or the file says that it cannot be undone: then with the reason. */
  | { readonly kind: "irreversible"; readonly reason?: string };

/** A migration as its folder lists it. */
export interface LintedEntry {
  readonly name: string;
  /** File names in the folder; of a pair, the up file first. */
  readonly files: readonly string[];
  readonly kind: "module" | "sql" | "pair";
}

export interface LintRequest {
  /** The steps of `planUp()`: what is linted. */
  readonly steps: readonly PlannedMigration[];
  /** Migrations whose SQL is not known, because they cannot be loaded or built. @default - none */
  readonly failures?: readonly ForecastFailure[];
  /** Whether applied migrations are among them. @default false */
  readonly all?: boolean;
  /** By name. A migration that is not in it is not judged on its down. */
  readonly downs: ReadonlyMap<string, DownForecast>;
  /** Where the files are: they are read for their comments, and for the lines of findings. */
  readonly folder: { readonly dir: string; readonly entries: readonly LintedEntry[] };
  /** Paths are shown relative to this folder. */
  readonly relativeTo: string;
  /** The columns of the database, for changes of their types. @default - only what the migrations themselves tell */
  readonly columnTypes?: () => Promise<readonly KnownColumn[]>;
  /** Version of the server that the migrations are for. */
  readonly postgresMajor: number;
  /** Name of the newest applied migration; null when there is none, or when the order does not matter. */
  readonly newestApplied: string | null;
  readonly signal?: AbortSignal;
}

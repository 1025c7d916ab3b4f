import type { DownForecast, ForecastFailure, Migration, PlannedMigration } from "../../core/index.ts";

import type { KnownColumn } from "./tree/types.ts";

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
  readonly folder: { readonly dir: string; readonly entries: readonly Migration[] };
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

import type { MigrationSource, Observer, Provenance, ResolvedOptions } from "../core/index.ts";
import type { Session } from "../postgres/index.ts";
import type { DeployKnowledge } from "./contracts.ts";
import type { Fence } from "./fence.ts";
import type { Tables } from "./history/tables.ts";
import type { LoadOptions } from "./load.ts";

/** What every command works with: one session, the source of migrations, and the options. */
export interface Context {
  readonly session: Session;
  readonly source: MigrationSource;
  readonly tables: Tables;
  readonly options: ResolvedOptions;
  readonly provenance: Provenance;
  /** Undefined outside a deploy. */
  readonly deploy?: DeployKnowledge | undefined;
  readonly observe: Observer;
  readonly signal?: AbortSignal | undefined;
  readonly fence?: Fence | undefined;
}

/** What loading the migrations of this context needs. */
export function loadOptions({ options, observe, signal }: Context): LoadOptions {
  const warn = (message: string) => observe({ type: "warning", message });
  return { decamelize: options.decamelize, warn, observe, signal };
}

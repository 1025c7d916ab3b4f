import {
  CONTRACT_FORMS,
  contractTargets,
  type LoadedMigration,
  MigrationError,
  type MigrationSource,
  property,
} from "../core/index.ts";
import { readBaselines } from "./baselines.ts";

/**
 * The migration that each contract waits for. Loads no migration.
 * @throws MigrationError `MIGRATION` for a contract that cannot be understood
 */
export async function readContracts(
  source: Pick<MigrationSource, "entries" | "baselineHeaders" | "contracts">,
): Promise<ReadonlyMap<string, string>> {
  const declared = (await source.contracts?.()) ?? new Map();
  if (declared.size === 0) return new Map();
  const replaced = (await readBaselines(source)).flatMap((one) => one.replaced);
  return contractTargets(source.entries, declared, new Set(replaced));
}

/**
 * A module may get its `contractAfter` from another file, where it is not found without loading: it would run at once.
 * @throws MigrationError `MIGRATION`
 */
export async function requireDeclared(
  source: MigrationSource,
  loaded: ReadonlyMap<string, LoadedMigration>,
): Promise<void> {
  const exported = [...loaded].flatMap(([name, migration]) => {
    const after = migration.kind === "module" ? property(migration.exports, "contractAfter") : undefined;
    return after === undefined ? [] : [{ name, after }];
  });
  if (exported.length === 0) return;
  const contracts = await readContracts(source);
  const hidden = exported.find(({ name, after }) => contracts.get(name) !== after);
  if (hidden === undefined) return;
  throw new MigrationError(
    "MIGRATION",
    `${hidden.name} exports contractAfter = ${JSON.stringify(hidden.after)}, which its own text does not say`,
    { migration: hidden.name, hint: `Write ${CONTRACT_FORMS}.` },
  );
}

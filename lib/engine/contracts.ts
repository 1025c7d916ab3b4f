import {
  CONTRACT_FORMS,
  type ContractWait,
  contractTargets,
  type LoadedMigration,
  MigrationError,
  type MigrationSource,
  type Provenance,
  property,
  type WaitingMigration,
} from "../core/index.ts";
import { readBaselines } from "./baselines.ts";
import type { AppliedInRelease, Releases } from "./history/runs.ts";

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

/** The same migrations for a scratch database, where no contract waits, also when what it comes after is left out. */
export function withoutContracts(source: MigrationSource): MigrationSource {
  const { contracts: _, ...others } = source;
  return others;
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
    if (migration.kind !== "module") return [];
    requireSpelling(name, migration.exports);
    const after = property(migration.exports, "contractAfter");
    return after === undefined ? [] : [{ name, after }];
  });
  if (exported.length === 0 || source.contracts === undefined) return;
  const contracts = await readContracts(source);
  const hidden = exported.find(({ name, after }) => contracts.get(name) !== after);
  if (hidden === undefined) return;
  throw new MigrationError(
    "MIGRATION",
    `${hidden.name} exports contractAfter = ${JSON.stringify(hidden.after)}, which its own text does not say`,
    { migration: hidden.name, hint: `Write ${CONTRACT_FORMS}.` },
  );
}

const MISSPELLED = /^c\w{4,9}_?aft?e?r$/i;

/** A migration whose contract is misspelled would run at once. */
function requireSpelling(migration: string, exports: unknown): void {
  const names = typeof exports === "object" && exports !== null ? Object.keys(exports) : [];
  const wrong = names.find((name) => name !== "contractAfter" && MISSPELLED.test(name));
  if (wrong === undefined) return;
  throw new MigrationError("MIGRATION", `${migration} exports ${wrong}, which has no effect`, {
    migration,
    hint: `Did you mean export const contractAfter = "<name>"? It makes the migration a contract.`,
  });
}

/** Pending contracts of a database, with what the history knows of the migrations that they come after. */
export interface PendingContracts {
  /** The migration that each pending contract comes after, in running order of the contracts. */
  readonly targets: ReadonlyMap<string, string>;
  /** Names of the baselines that stand for a migration. */
  readonly standingFor: (name: string) => readonly string[];
  readonly releases: Releases;
}

/** The release that a stack had before a deploy, and to which a rollback of that deploy returns. */
export interface DeployedRelease {
  /** Hash of its manifest. */
  readonly release: string;
  readonly revision: string | undefined;
  /** Names of its contracts. */
  readonly contracts: readonly string[];
}

/** What a deploy knows. */
export interface DeployKnowledge {
  /** Undefined unless it is certain that this release was deployed successfully, and that the stack does not roll back. */
  readonly previous: DeployedRelease | undefined;
}

/** The facts about one pending contract. */
export interface ContractFacts {
  readonly name: string;
  readonly after: string;
  /** State of the migration that it comes after. `pending`: applied by the same run. */
  readonly afterIs: AppliedInRelease | "pending" | "waiting";
  /** Whether a person has named the contract. */
  readonly isNamed: boolean;
  /** Whether nothing was in the database before this run. */
  readonly isNewDatabase: boolean;
  /** Whether a function of a stack has ever migrated the database, or does so now. */
  readonly isDeployed: boolean;
  /** Undefined outside a deploy. */
  readonly deploy: DeployKnowledge | undefined;
}

/**
 * Decides whether a contract waits. It may run when every release that a stack rollback can return to has the contract, which
 * says that its code does not need the old shape, and is a later one than the release that applied the expand. No code of
 * a stack works with a new database, or with one that only command lines have migrated: nothing waits there.
 */
export function whyWaiting(facts: ContractFacts): ContractWait["reason"] | undefined {
  const { name, afterIs, deploy } = facts;
  if (afterIs === "waiting") return "after-waits";
  if (facts.isNamed || facts.isNewDatabase || !facts.isDeployed) return undefined;
  if (deploy === undefined) return "outside-deploy";
  if (afterIs === "pending") return "same-release";
  const { previous } = deploy;
  if (previous === undefined || !previous.contracts.includes(name)) return "new-contract";
  return isSameRelease(afterIs, previous) ? "same-release" : undefined;
}

/** The same migrations with another revision are another release: its code may differ. */
function isSameRelease(applied: AppliedInRelease, { release, revision }: DeployedRelease): boolean {
  if (applied.release !== release) return false;
  return applied.revision === null || revision === undefined || applied.revision === revision;
}

/** The part of the state that decides. */
interface ContractState {
  readonly contracts: PendingContracts | undefined;
  readonly stored: { readonly applied: readonly unknown[] };
  readonly existing: { readonly occupied: boolean };
}

/** The part of the context that decides. */
interface ContractRun {
  readonly deploy?: DeployKnowledge | undefined;
  readonly provenance: Pick<Provenance, "origin">;
}

/** What people have said about contracts. */
export interface ContractWishes {
  /** It waits for no release. */
  readonly named: string | undefined;
  /** They wait in any case. */
  readonly withheld: ReadonlySet<string>;
}

/** The pending contracts that wait, in running order. */
export function waitingContracts(
  { deploy, provenance }: ContractRun,
  { contracts, stored, existing }: ContractState,
  { named, withheld }: ContractWishes = { named: undefined, withheld: new Set() },
): ReadonlyMap<string, ContractWait> {
  const waiting = new Map<string, ContractWait>();
  if (contracts === undefined) return waiting;
  const { targets, standingFor, releases } = contracts;
  const isDeployed = releases.deployed || provenance.origin !== "cli";
  const isNewDatabase = stored.applied.length === 0 && !existing.occupied;
  for (const [name, after] of targets) {
    const applied = [after, ...standingFor(after)].flatMap((one) => releases.byName.get(one) ?? [])[0];
    const afterIs: ContractFacts["afterIs"] = waiting.has(after) ? "waiting" : (applied ?? "pending");
    const facts = {
      name,
      after,
      afterIs,
      isNamed: named === name,
      isNewDatabase,
      isDeployed,
      deploy,
    };
    const reason = whyWaiting(facts) ?? (withheld.has(name) ? "not-approved" : undefined);
    if (reason !== undefined) waiting.set(name, describeWait(after, reason, applied));
  }
  return waiting;
}

function describeWait(
  after: string,
  reason: ContractWait["reason"],
  applied: AppliedInRelease | undefined,
): ContractWait {
  const { release = null, revision = null } = applied ?? {};
  return {
    after,
    reason,
    release,
    revision,
    message: WAIT_TEXTS[reason](after, releaseText(release, revision)),
  };
}

const WAIT_TEXTS: Readonly<Record<ContractWait["reason"], (after: string, release: string) => string>> = {
  "after-waits": (after) => `${after}, which it comes after, waits itself`,
  "same-release": (after, release) =>
    `the release that applied ${after}${release} must be followed by one more successful deploy`,
  "new-contract": () =>
    "a release that has it must be deployed successfully first; the deploy after that runs it",
  "not-approved": () => "the approved plan does not have it",
  "outside-deploy": (after, release) =>
    `a deploy runs it, after a successful deploy of a release that has it and is later than the one that applied ${after}${release}`,
};

function releaseText(release: string | null, revision: string | null): string {
  if (release === null) return "";
  return ` (${release.slice(0, 12)}${revision === null ? "" : `, revision ${revision}`})`;
}

export function waitingMigrations(waiting: ReadonlyMap<string, ContractWait>): WaitingMigration[] {
  return [...waiting].map(([migration, waitsFor]) => ({ migration, waitsFor }));
}

import { resolve } from "node:path";
import { type ConnectionSettings, given } from "../core/index.ts";
import {
  chooseTargets,
  type FleetDatabase,
  type FleetSummary,
  type FleetTarget,
  type Outcome,
  type PlanGroup,
  parseTargets,
  planWaves,
  readCanary,
  summarize,
} from "../fleet/index.ts";
import { openFolder } from "../folder/index.ts";
import { createMigrators, planTargets, statusTargets, upTargets } from "./fleet-run.ts";
import { type FleetSettings, requireKnown } from "./inputs.ts";
import { settingsOf } from "./migrator.ts";
import { programProvenance } from "./provenance.ts";

/** The result of a command on a fleet. */
export interface FleetReport extends FleetSummary {
  /** In the order of their waves. */
  readonly targets: readonly Outcome[];
}

/** The plan of a fleet: each group of targets for which `up` would do the same. */
export interface FleetPlan extends FleetSummary {
  /** The largest first. Targets that cannot be planned are in `failed`. */
  readonly groups: readonly PlanGroup[];
}

/**
 * One folder of migrations and many schemas or databases. The failure of a target is no error: it is in the report, whose
 * `ok` says whether all were reached and no more failed than are tolerated. What is applied to a target is recorded in it, so
 * that the same call goes on with what is left.
 */
export interface Fleet {
  /** With their names, in the order of the list. */
  readonly targets: readonly FleetTarget[];

  /**
   * Which targets are at which migration.
   *
   * @example
   * import { openFleet } from "cdk-pg-migrate/client";
   *
   * const fleet = await openFleet({ targets: ["tenant_1", "tenant_2"] });
   * for (const { head, count, behind } of (await fleet.status()).versions)
   *   console.log(`${count} at ${head}, ${behind} of them with migrations pending`);
   */
  status(): Promise<FleetReport>;

  /**
   * The SQL that `up` would run, once for all targets for which it is the same.
   *
   * @example
   * import { openFleet } from "cdk-pg-migrate/client";
   *
   * const fleet = await openFleet({ targets: ["tenant_1", "tenant_2"] });
   * for (const { targets, plan } of (await fleet.plan()).groups)
   *   console.log(targets.join(", "), plan.steps.length);
   */
  plan(): Promise<FleetPlan>;

  /**
   * Applies what is pending, the canary first.
   *
   * @example
   * import { openFleet } from "cdk-pg-migrate/client";
   *
   * const fleet = await openFleet({ targets: ["tenant_1", "tenant_2"], canary: "10%", concurrency: 8 });
   * const { ok, failed } = await fleet.up();
   * for (const { target, code, message } of failed) console.error(target, code, message);
   * process.exitCode = ok ? 0 : 1;
   */
  up(): Promise<FleetReport>;
}

/**
 * Opens a folder of migrations for many schemas or databases. Nothing connects yet. The folder is read once: what is edited
 * afterwards reaches no target.
 *
 * @throws MigrationError `TARGETS` for a list that cannot be used and names that are not in it, `USAGE` for settings that are
 * wrong or unknown, and for a folder that cannot be read
 *
 * @example
 * import { openFleet } from "cdk-pg-migrate/client";
 *
 * const fleet = await openFleet({
 *   database: "postgres://app:secret@localhost:5432/shop",
 *   migrationsDir: "db/migrations",
 *   targets: ["tenant_1", { schema: "tenant_2" }, { database: "archive" }],
 *   createSchema: true,
 * });
 * await fleet.up();
 */
export async function openFleet(settings: FleetSettings): Promise<Fleet> {
  requireKnown("openFleet", settings);
  const {
    targets: entries,
    only,
    canary = 1,
    concurrency = 4,
    perServer = concurrency,
    ...others
  } = settings;
  const { tolerate: tolerated = 0, observe, ...own } = others;
  const { database, migrationsDir = "migrations", ignorePattern, actor, revision, signal, ...options } = own;
  const { connection, connectionTo } = settingsOf(database);
  const all = parseTargets(entries, { source: "the option targets", database: placeOf(connection) });
  const targets = chooseTargets(all, only);
  const source = await openFolder(resolve(migrationsDir), given({ ignorePattern }));
  const provenance = programProvenance(source.dir, { actor, revision });
  const migratorOf = createMigrators({ source, provenance, options, connectionTo, signal });
  // What cannot be for one target is refused before anything runs in another.
  for (const target of targets) migratorOf(target);
  const limits = { concurrency, perServer, signal, observe };
  const first = readCanary(canary, all);
  const waves = planWaves(targets, { concurrency, perServer, canary: first, tolerated });
  const reading = planWaves(targets, { concurrency, perServer, canary: 0, tolerated: targets.length });
  const run = { migratorOf, limits };
  return {
    targets,
    status: async () => reportOf(await statusTargets({ ...run, waves: reading }), tolerated),
    up: async () => reportOf(await upTargets({ ...run, waves }), tolerated),
    plan: async () => {
      const { outcomes, groups } = await planTargets({ ...run, waves: reading });
      return { ...summarize(outcomes, tolerated), groups };
    },
  };
}

function placeOf({ host, port, database }: ConnectionSettings): FleetDatabase {
  return { host, port, database };
}

function reportOf(targets: readonly Outcome[], tolerated: number): FleetReport {
  return { ...summarize(targets, tolerated), targets };
}

import { resolve } from "node:path";
import * as v from "valibot";
import { createMigrators, type FleetRun, readProvenance } from "../../client/index.ts";
import { MigrationError } from "../../core/index.ts";
import {
  chooseTargets,
  type FleetTarget,
  planWaves,
  readCanary,
  serverOf,
  type Wave,
} from "../../fleet/index.ts";
import { openFolder } from "../../folder/index.ts";
import { parsed, positive, repeated, text, toggle, type Values, wholeNumber } from "../command.ts";
import { requireConsent } from "../confirm.ts";
import { engineOptions, listingOptions, PREFLIGHT_FLAGS, RUN_FLAGS } from "../flags.ts";
import { createPrinter, type Printer, visible } from "../output/printer.ts";
import type { ProcessIo } from "../process-io.ts";
import { chooseTarget, type Target } from "../settings/target.ts";
import { createFleetProgress, describeServers, describeWaves, targetsOf } from "./output.ts";
import { listTargets } from "./targets.ts";

const ACTIONS = ["status", "plan", "up"] as const;
const DEFAULT = { canary: "1", concurrency: 4, tolerated: 0 } as const;

export const FLEET_FLAGS = {
  action: {
    ...v.picklist(ACTIONS, "It must be status, plan or up."),
    written: "<action>",
    meaning: "status, plan or up",
  },
  targets: text(
    "--targets <list>",
    "a JSON file, a .sql file with a query, or a query for the database of the settings",
  ),
  only: repeated("--only <name>", "only this target; give it once for each"),
  canary: repeated(
    "--canary <share>",
    `with up, what runs first, alone: a number, a percentage, or the name of a target, once for each (default: ${DEFAULT.canary})`,
  ),
  concurrency: parsed(
    "--concurrency <number>",
    `targets at once (default: ${DEFAULT.concurrency})`,
    positive,
  ),
  perServer: parsed(
    "--per-server <number>",
    "targets at once on one server (default: no other limit)",
    positive,
  ),
  tolerate: parsed(
    "--tolerate <number>",
    `failed targets after which the others still run (default: ${DEFAULT.tolerated})`,
    wholeNumber,
  ),
  check: toggle("--check", "with status, exit with 3 when anything is pending or would be refused"),
  ...RUN_FLAGS,
  ...PREFLIGHT_FLAGS,
};

export type FleetFlags = Values<typeof FLEET_FLAGS>;

/** What a command on a fleet works with. */
export interface Fleet {
  readonly run: FleetRun;
  readonly tolerated: number;
  /** For the result. */
  readonly printer: Printer;
  /** For all else. */
  readonly remarks: Printer;
}

/** Flags that the action would leave unread. */
function refuseForOthers({ action, canary, check }: FleetFlags): void {
  const flag =
    canary !== undefined && action !== "up"
      ? "--canary"
      : check && action !== "status"
        ? "--check"
        : undefined;
  if (flag === undefined) return;
  throw new MigrationError("USAGE", `${flag} is not for ${action}`, {
    hint: `Leave it out: ${flag === "--canary" ? "only up runs in waves" : "only status checks"}.`,
  });
}

/** Reads the folder and the targets, names both, and asks where `up` would. */
export async function openFleet(io: ProcessIo, flags: FleetFlags): Promise<Fleet> {
  refuseForOthers(flags);
  if (flags.targets === undefined)
    throw new MigrationError("USAGE", "there is no --targets", {
      hint: "--targets takes a JSON file with targets, a .sql file with a query, or the query itself.",
    });
  const folder = await openFolder(resolve(io.cwd, flags.migrationsDir), listingOptions(flags));
  const base = await chooseTarget(io, flags);
  const { targets: all, source } = await listTargets(io, flags, base, flags.targets);
  const targets = chooseTargets(all, flags.only);
  const limits = limitsOf(flags);
  const waves = wavesOf(flags, limits, { targets, all });
  const remarksTo = flags.json || flags.action === "plan" ? io.stderr : io.stdout;
  const remarks = createPrinter(io, remarksTo);
  announce(remarks, { targets, waves, source, base });
  const migratorOf = createMigrators({
    source: folder,
    provenance: readProvenance(folder.dir),
    options: engineOptions(flags),
    connectionTo: base.connectionTo,
    signal: io.signal,
  });
  // What cannot be for one target is refused before anything runs in another.
  for (const target of targets) migratorOf(target);
  if (flags.action === "up") await requireConsentFor(io, base, targets);
  const observe = createFleetProgress(io, remarksTo);
  const run = { waves, migratorOf, limits: { ...limits, signal: io.signal, observe } };
  return { run, tolerated: limits.tolerated, printer: createPrinter(io, io.stdout), remarks };
}

type Limits = Readonly<Record<"concurrency" | "perServer" | "tolerated", number>>;

function limitsOf({
  concurrency = DEFAULT.concurrency,
  perServer = concurrency,
  tolerate: tolerated = DEFAULT.tolerated,
}: FleetFlags): Limits {
  return { concurrency, perServer, tolerated };
}

/** Only `up` stops after failures; the others ask every target. */
function wavesOf(
  { action, canary = [DEFAULT.canary] }: FleetFlags,
  limits: Limits,
  { targets, all }: Readonly<Record<"targets" | "all", readonly FleetTarget[]>>,
): readonly Wave[] {
  if (action !== "up") return planWaves(targets, { ...limits, canary: 0, tolerated: targets.length });
  return planWaves(targets, { ...limits, canary: readCanary(canary, all) });
}

interface Announced {
  readonly targets: readonly FleetTarget[];
  readonly waves: readonly Wave[];
  readonly source: string;
  readonly base: Target;
}

function announce(remarks: Printer, { targets, waves, source, base }: Announced): void {
  const servers = describeServers(targets);
  const { user } = base.connection;
  const { dim } = remarks.colors;
  // For the embedded Postgres, the first note says that it was started; else it names the database of the settings.
  const notes = base.local ? base.notes : base.notes.slice(1);
  const line = `${targetsOf(targets.length)} of ${source} on ${servers} as ${user} (from ${base.origin}), ${describeWaves(waves)}`;
  remarks.line(dim(visible(line)));
  for (const note of notes) remarks.line(dim(note));
  if (targets.some((target) => target.secret !== undefined || target.user !== undefined))
    remarks.line(
      dim(
        "Note: secret and user of a target are for the functions on AWS; here all have the user and password of the settings.",
      ),
    );
}

async function requireConsentFor(
  io: ProcessIo,
  base: Target,
  targets: readonly FleetTarget[],
): Promise<void> {
  const byServer = new Map(targets.map((target) => [serverOf(target), target]));
  for (const target of byServer.values())
    await requireConsent(io, { ...base, connection: base.connectionTo(target) }, { command: "fleet up" });
}

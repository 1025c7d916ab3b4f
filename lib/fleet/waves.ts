import { MigrationError } from "../core/index.ts";
import { type FleetTarget, groupBy, serverOf } from "./target.ts";

/** Which targets go first, alone: so many, such a share of all, or these. 0: none. */
export type Canary = number | `${number}%` | readonly string[];

export interface WaveOptions {
  readonly canary: Canary;
  /** Targets at once. */
  readonly concurrency: number;
  /** Targets at once on one server. */
  readonly perServer: number;
  /** Failed targets after which a wave still counts as done. A canary tolerates none. */
  readonly tolerated: number;
}

/** Targets that run together. The next wave starts when this one is done. */
export interface Wave {
  readonly name: "canary" | "all" | "rest";
  readonly count: number;
  /** Groups at once, so that no more targets than `WaveOptions.concurrency` run. */
  readonly concurrency: number;
  readonly tolerated: number;
  readonly groups: readonly WaveGroup[];
}

/** The targets of a wave on one server, or on several of which each has few. */
export interface WaveGroup {
  /** `host:port`, or `several servers`. */
  readonly server: string;
  readonly targets: readonly FleetTarget[];
  /** Targets at once. */
  readonly concurrency: number;
}

/**
 * Reads a canary: a number, a percentage such as `10%` or `10 %`, or names of targets. One text that is neither number nor
 * percentage is a name.
 * @throws MigrationError `TARGETS` for a number or share that cannot be, and for names that no target has
 */
export function readCanary(input: number | string | readonly string[], all: readonly FleetTarget[]): Canary {
  const values = Array.isArray(input) ? input : [input];
  const [only] = values;
  const [, digits, percent] = values.length === 1 ? (/^(\d+)\s*(%?)$/.exec(String(only).trim()) ?? []) : [];
  if (digits === undefined) return chooseTargets(all, values.map(String)).map(({ name }) => name);
  const amount = Number(digits);
  if (percent !== "%") return amount;
  if (amount <= 100) return `${amount}%`;
  throw new MigrationError("TARGETS", `a canary of ${amount} % is more than all targets`, {
    hint: "Give a share from 0 to 100 %, a number, or names of targets.",
  });
}

/**
 * The targets of these names, in the order of the list; all without names.
 * @throws MigrationError `TARGETS` for names that none has
 */
export function chooseTargets(
  all: readonly FleetTarget[],
  names?: readonly string[],
): readonly FleetTarget[] {
  if (names === undefined) return all;
  const known = new Set(all.map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) throw unknownNames(unknown, [...known]);
  const wanted = new Set(names);
  return all.filter(({ name }) => wanted.has(name));
}

function unknownNames(unknown: readonly string[], known: readonly string[]): MigrationError {
  const [first = ""] = unknown;
  const near = known.filter((name) => name.includes(first) || first.includes(name)).slice(0, NEAR_SHOWN);
  const listed = unknown.slice(0, NEAR_SHOWN).map((name) => JSON.stringify(name));
  const more = unknown.length > NEAR_SHOWN ? ` and ${unknown.length - NEAR_SHOWN} more` : "";
  const what = unknown.length === 1 ? "no target has the name" : "no targets have the names";
  const hint =
    near.length > 0
      ? `Did you mean ${near.join(" or ")}?`
      : `The names begin with ${known.slice(0, NEAR_SHOWN).join(", ")}.`;
  return new MigrationError("TARGETS", `${what} ${listed.join(", ")}${more}`, { hint });
}

const NEAR_SHOWN = 3;
const SEVERAL = "several servers";

/**
 * Divides targets into a canary and the rest, and each wave into groups by server. A canary that would be all targets is no
 * canary: there is one wave, `all`. Names of a canary that are not among the targets are left out, so that a part of a fleet
 * can run alone.
 * @throws MigrationError `USAGE` for limits that cannot be
 */
export function planWaves(targets: readonly FleetTarget[], options: WaveOptions): readonly Wave[] {
  requireAmount("concurrency", options.concurrency, 1);
  requireAmount("perServer", options.perServer, 1);
  requireAmount("the number of tolerated failures", options.tolerated, 0);
  const first = canaryOf(targets, options.canary);
  const rest = targets.filter((target) => !first.has(target));
  if (targets.length === 0) return [];
  if (first.size === 0 || rest.length === 0) return [wave("all", targets, options)];
  return [wave("canary", [...first], { ...options, tolerated: 0 }), wave("rest", rest, options)];
}

function requireAmount(what: string, value: number, smallest: 0 | 1): void {
  if (Number.isInteger(value) && value >= smallest) return;
  throw new MigrationError("USAGE", `${what} must be a whole number from ${smallest} up, not ${value}`);
}

function canaryOf(targets: readonly FleetTarget[], canary: Canary): ReadonlySet<FleetTarget> {
  if (typeof canary === "object") {
    const names = new Set(canary);
    return new Set(targets.filter(({ name }) => names.has(name)));
  }
  const count =
    typeof canary === "number" ? canary : Math.ceil((targets.length * Number.parseInt(canary, 10)) / 100);
  return new Set(targets.slice(0, count));
}

function wave(name: Wave["name"], targets: readonly FleetTarget[], options: WaveOptions): Wave {
  const groups = groupsOf(targets, options);
  const all = groups.reduce((sum, group) => sum + group.concurrency, 0);
  const widest = Math.max(...groups.map((group) => group.concurrency));
  const together = all <= options.concurrency ? groups.length : Math.floor(options.concurrency / widest);
  return {
    name,
    count: targets.length,
    concurrency: Math.max(1, together),
    tolerated: options.tolerated,
    groups,
  };
}

/** One group for each server, and one for all servers with so few targets that their limit cannot be met. */
function groupsOf(
  targets: readonly FleetTarget[],
  { concurrency, perServer }: WaveOptions,
): readonly WaveGroup[] {
  const servers = [...groupBy(targets, serverOf)];
  const small = servers.filter(([, own]) => own.length <= perServer);
  const joined = small.length > 1 ? small.flatMap(([, own]) => own) : [];
  const large = servers.filter(([, own]) => joined.length === 0 || own.length > perServer);
  const groups = large.map(([server, own]) => ({
    server,
    targets: own,
    concurrency: Math.min(perServer, concurrency, own.length),
  }));
  if (joined.length === 0) return groups;
  const taken = groups.reduce((sum, group) => sum + group.concurrency, 0);
  const left = Math.max(concurrency - taken, Math.min(perServer, concurrency));
  return [...groups, { server: SEVERAL, targets: joined, concurrency: Math.min(left, joined.length) }];
}

import { compareMigrations, type Manifest } from "../../lib/core/index.ts";
import type { OnRollback } from "../contract.ts";
import type { Announced, DeployEvent } from "./event.ts";

/** What a deploy does to the database. */
export type Decision =
  /** Apply what is pending. A failure fails the deploy, except in a rollback. */
  | { readonly kind: "run"; readonly fails: boolean }
  /** Undo what this bundle has brought, but for what the bundle of the event still has. Never fails the deploy. */
  | {
      readonly kind: "undo";
      readonly bundle: string;
      readonly isKept: (name: string) => boolean;
      /** The version returned to has migrations that the other one lacked: afterwards, apply those that are pending. */
      readonly bringsNew: boolean;
    }
  /** Fail: this code is not the one that was to be deployed, and green would be a lie. */
  | { readonly kind: "refuse" }
  /** Leave the database alone, without a connection. */
  | { readonly kind: "keep"; readonly why: "delete" | "rollback" | "older" }
  /**
   * An older commit that has migrations which the newer one lacked, say a merged branch: apply what is pending. Where
   * nothing is, it is a return like any other.
   */
  | { readonly kind: "check"; readonly fails: boolean }
  /** Report the state of the database and leave it alone. Never fails the deploy. */
  | { readonly kind: "look" };

/** What is known of the code that decides, and how it was told to decide. */
export interface Standpoint {
  readonly manifest: Pick<Manifest, "hash" | "migrations">;
  readonly onRollback: OnRollback;
  /** This code's options, in the words of the event's. */
  readonly options: string;
}

type Update = Extract<DeployEvent, { type: "Update" }>;

/**
 * Decides from the event and this code's own migrations; the history has its say in the engine, where a run meets it.
 *
 * CloudFormation says whether the stack is rolling back. It does not promise which version of the code answers: where
 * the event names another bundle than this one, nothing is applied, because this code does not have the migrations that
 * the event is about, or has the very ones that just failed. The same goes for the options.
 *
 * Where CloudFormation could not be asked, a rollback looks like a deploy of an older commit: an Update to fewer or
 * older migrations, a *return*. What is not a return is then taken for a deploy.
 */
export function decide(event: DeployEvent, standpoint: Standpoint): Decision {
  if (event.type === "Delete") return { kind: "keep", why: "delete" };
  if (event.type === "Update") {
    if (event.direction === "rollback") return decideRollback(event, standpoint);
    if (event.before !== undefined && isReturn(event.now, event.before)) {
      return decideReturn(event, event.before, standpoint);
    }
  }
  if (isOwnCode(event.now, standpoint)) return { kind: "run", fails: true };
  return event.type === "Create" || event.direction === "forward" ? { kind: "refuse" } : { kind: "look" };
}

/** Never fails. Under `down` the database goes back to the version it came from, in either direction. */
function decideRollback({ now, before }: Update, standpoint: Standpoint): Decision {
  if (standpoint.onRollback === "keep" || before === undefined) return { kind: "keep", why: "rollback" };
  const bringsNew = brings(now, before);
  if (isReturn(now, before) || brings(before, now)) return undoing(now, before, standpoint, bringsNew);
  return bringsNew && isOwnCode(now, standpoint)
    ? { kind: "run", fails: false }
    : { kind: "keep", why: "rollback" };
}

function decideReturn({ now, direction }: Update, before: Announced, standpoint: Standpoint): Decision {
  const bringsNew = brings(now, before);
  if (standpoint.onRollback === "down") return undoing(now, before, standpoint, bringsNew);
  if (!bringsNew) return { kind: "keep", why: "older" };
  if (isOwnCode(now, standpoint)) return { kind: "check", fails: direction === "forward" };
  return direction === "forward" ? { kind: "refuse" } : { kind: "look" };
}

function undoing(now: Announced, before: Announced, standpoint: Standpoint, bringsNew: boolean): Decision {
  const isKept = keptBy(now, standpoint.manifest);
  return { kind: "undo", bundle: before.hash, isKept, bringsNew: bringsNew && isOwnCode(now, standpoint) };
}

function isOwnCode({ hash, options }: Announced, standpoint: Standpoint): boolean {
  return hash === standpoint.manifest.hash && (options === undefined || options === standpoint.options);
}

/**
 * A newer head is never a return, even where the count is lower: old files were put together into one, and what is
 * new has to run.
 */
function isReturn(now: Announced, before: Announced): boolean {
  const older =
    now.head !== undefined && before.head !== undefined ? compareMigrations(now.head, before.head) : 0;
  if (older !== 0) return older < 0;
  return now.count !== undefined && before.count !== undefined && now.count < before.count;
}

/**
 * Whether a version has migrations that another one lacks, as far as their events say. They name the newest alone: of
 * the older ones only the number is known, which tells when there are more of them.
 */
function brings(now: Announced, other: Announced): boolean {
  const known = new Set(other.newest);
  const [oldest] = other.newest;
  if (oldest === undefined || known.size === other.count) return now.newest.some((name) => !known.has(name));
  const isNamed = (name: string) => compareMigrations(name, oldest) >= 0;
  if (now.newest.some((name) => isNamed(name) && !known.has(name))) return true;
  if (now.count === undefined || other.count === undefined) return false;
  return now.count - now.newest.filter(isNamed).length > other.count - known.size;
}

/**
 * Whether the bundle of the event has a migration. This code may be that bundle. Else it is the newer one, and goes
 * by what the event says: nothing beyond its head, and among the newest ones only those named. About older ones the
 * event is silent; they stay.
 */
function keptBy(now: Announced, manifest: Standpoint["manifest"]): (name: string) => boolean {
  if (now.hash === manifest.hash) {
    const own = new Set(manifest.migrations.map(({ name }) => name));
    return (name) => own.has(name);
  }
  const named = new Set(now.newest);
  const { head } = now;
  const [oldestNamed] = now.newest;
  return (name) => {
    if (named.has(name) || head === undefined) return true;
    if (compareMigrations(name, head) > 0) return false;
    if (named.size === now.count) return false;
    return oldestNamed === undefined || compareMigrations(name, oldestNamed) < 0;
  };
}

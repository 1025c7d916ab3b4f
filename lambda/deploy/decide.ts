import { compareMigrations } from "../../lib/migrator/index.ts";
import type { Manifest, OnRollback } from "../contract.ts";
import type { Announced, DeployEvent } from "./event.ts";

/** What a deploy does to the database. */
export type Decision =
  /** Apply what is pending; a failure fails the deploy. */
  | { readonly kind: "run" }
  /** Undo what this bundle has brought, but for what the bundle of the event still has. Never fails the deploy. */
  | { readonly kind: "undo"; readonly bundle: string; readonly isKept: (name: string) => boolean }
  /** Fail: this code is not the one that was to be deployed, and green would be a lie. */
  | { readonly kind: "refuse" }
  /** Leave the database alone. `look`: say what state it is in. Never fails the deploy. */
  | { readonly kind: "nothing"; readonly why: "delete" | "mismatch"; readonly look: boolean }
  /** As `nothing`, in a return. It may bring migrations all the same, which then nobody applies. */
  | { readonly kind: "keep"; readonly brought: readonly string[] };

/** What is known of the code that decides, and how it was told to decide. */
export interface Standpoint {
  readonly manifest: Pick<Manifest, "hash" | "migrations">;
  readonly onRollback: OnRollback;
  /** This code's options, in the words of the event's. */
  readonly options: string;
}

/**
 * Decides from the event and this code's own migrations; the history has its say in the engine, where a run meets it.
 *
 * CloudFormation does not tell a rollback from a deploy of an older commit: both are an Update to fewer or older
 * migrations, a *return*. Nor does it promise which version of the code answers: where the event names another bundle
 * than this one, nothing is applied, because this code does not have the migrations that the event is about, or has
 * the very ones that just failed. The same goes for the options. Only a Create can be no rollback: it fails then.
 */
export function decide(event: DeployEvent, { manifest, onRollback, options }: Standpoint): Decision {
  if (event.type === "Delete") return { kind: "nothing", why: "delete", look: false };
  if (event.type === "Update" && event.before !== undefined && isReturn(event.now, event.before)) {
    if (onRollback === "keep") return { kind: "keep", brought: broughtBy(event.now, event.before) };
    return { kind: "undo", bundle: event.before.hash, isKept: keptBy(event.now, manifest) };
  }
  const otherOptions = event.now.options !== undefined && event.now.options !== options;
  if (event.now.hash === manifest.hash && !otherOptions) return { kind: "run" };
  return event.type === "Create" ? { kind: "refuse" } : { kind: "nothing", why: "mismatch", look: true };
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

/** Names that are new in a return, as far as the events tell: a branch that was merged while another was reverted. */
function broughtBy(now: Announced, before: Announced): readonly string[] {
  const known = new Set(before.newest);
  const [oldest] = before.newest;
  const whole = known.size === before.count;
  const covered = (name: string) => whole || (oldest !== undefined && compareMigrations(name, oldest) > 0);
  return now.newest.filter((name) => !known.has(name) && covered(name));
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

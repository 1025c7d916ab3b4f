import { compareMigrations, type Manifest, replacedBy } from "../../lib/core/index.ts";
import type { OnRollback } from "../contract.ts";
import type { DeployEvent, ReleaseInfo } from "./event.ts";

/** What a deploy does to the database. Where `mayFail` is false, an error is logged and the deploy succeeds. */
export type Decision =
  /** Apply pending migrations. */
  | { readonly kind: "apply"; readonly mayFail: boolean }
  /** Undo what the previous release applied, except what the current release has too. An error is logged only. */
  | {
      readonly kind: "undo";
      /** Hash of the previous release. */
      readonly release: string;
      readonly isInCurrent: (name: string) => boolean;
      /** The current release has migrations that the previous one lacked: apply pending migrations afterwards. */
      readonly applyAfterwards: boolean;
    }
  /** Fail: this code is not the code that was to be deployed, and success would be a lie. */
  | { readonly kind: "refuse" }
  /** Leave the database alone, without a connection. */
  | { readonly kind: "skip"; readonly why: "delete" | "rollback" | "older" }
  /**
   * An older commit with migrations that the newer one lacked, say of a merged branch. Report the state of the database,
   * and apply migrations only if some are pending; otherwise it is a return like any other.
   */
  | { readonly kind: "apply-if-pending"; readonly mayFail: boolean }
  /** Report the state of the database and leave it alone. An error is logged only. */
  | { readonly kind: "report" };

/** The code that decides, and its settings. */
export interface DeployedCode {
  readonly manifest: Pick<Manifest, "hash" | "migrations">;
  readonly onRollback: OnRollback;
  /** Options that differ from their defaults, as JSON, as the event has them. */
  readonly options: string;
}

type Update = Extract<DeployEvent, { type: "Update" }>;

/**
 * Decides from the event and from this code's own migrations. The history is read later, by the engine.
 *
 * CloudFormation says whether the stack rolls back, but not which version of the code answers. Where the event names
 * another release than this code's, nothing is applied: this code lacks the migrations of the event, or has the very
 * ones that just failed. The same holds for the options.
 *
 * Where CloudFormation could not be asked, a rollback looks like a deploy of an older commit: an Update to fewer or
 * older migrations, a *return*. Everything else is taken for a deploy.
 */
export function decide(event: DeployEvent, code: DeployedCode): Decision {
  if (event.type === "Delete") return { kind: "skip", why: "delete" };
  if (event.type === "Update") {
    if (event.direction === "rollback") return decideRollback(event, code);
    if (event.previous !== undefined && isReturn(event.current, event.previous)) {
      return decideReturn(event, event.previous, code);
    }
  }
  if (isRelease(event.current, code)) return { kind: "apply", mayFail: true };
  return event.type === "Create" || event.direction === "forward" ? { kind: "refuse" } : { kind: "report" };
}

/** A rollback never fails. With `down`, the database returns to the release it came from, older or newer. */
function decideRollback({ current, previous }: Update, code: DeployedCode): Decision {
  if (code.onRollback === "keep" || previous === undefined) return { kind: "skip", why: "rollback" };
  const addsMigrations = hasMore(current, previous);
  if (isReturn(current, previous) || hasMore(previous, current)) return undo(current, previous, code);
  return addsMigrations && isRelease(current, code)
    ? { kind: "apply", mayFail: false }
    : { kind: "skip", why: "rollback" };
}

function decideReturn({ current, direction }: Update, previous: ReleaseInfo, code: DeployedCode): Decision {
  if (code.onRollback === "down") return undo(current, previous, code);
  if (!hasMore(current, previous)) return { kind: "skip", why: "older" };
  if (isRelease(current, code)) return { kind: "apply-if-pending", mayFail: direction === "forward" };
  return direction === "forward" ? { kind: "refuse" } : { kind: "report" };
}

function undo(current: ReleaseInfo, previous: ReleaseInfo, code: DeployedCode): Decision {
  return {
    kind: "undo",
    release: previous.hash,
    isInCurrent: membershipOf(current, code.manifest),
    applyAfterwards: hasMore(current, previous) && isRelease(current, code),
  };
}

/** Whether this code is the code of a release. */
function isRelease({ hash, options }: ReleaseInfo, code: DeployedCode): boolean {
  return hash === code.manifest.hash && (options === undefined || options === code.options);
}

/**
 * A newer head is never a return, even with a lower count. Nor is a squash, which puts many old files into a new one: what
 * its baselines replace counts too, and the release before it has that in files.
 */
function isReturn(current: ReleaseInfo, previous: ReleaseInfo): boolean {
  const older =
    current.head !== undefined && previous.head !== undefined
      ? compareMigrations(current.head, previous.head)
      : 0;
  if (older !== 0) return older < 0;
  if (current.replaced > previous.replaced) return false;
  return current.count !== undefined && previous.count !== undefined && current.count < previous.count;
}

/**
 * Whether a release has migrations that another one lacks. Events name the newest migrations only; of the older ones
 * they have the number, which tells when there are more of them.
 */
function hasMore(release: ReleaseInfo, other: ReleaseInfo): boolean {
  const inOther = new Set(other.newest);
  const [oldest] = other.newest;
  if (oldest === undefined || inOther.size === other.count)
    return release.newest.some((name) => !inOther.has(name));
  const isNamed = (name: string) => compareMigrations(name, oldest) >= 0;
  if (release.newest.some((name) => isNamed(name) && !inOther.has(name))) return true;
  if (release.count === undefined || other.count === undefined) return false;
  return release.count - release.newest.filter(isNamed).length > other.count - inOther.size;
}

/**
 * Tells whether a release has a migration. If this code is that release, its manifest knows. Otherwise the event tells:
 * the release has nothing beyond its head, and of the newest migrations those that it names. It says nothing about
 * older migrations, which therefore count as its own.
 */
function membershipOf(release: ReleaseInfo, manifest: DeployedCode["manifest"]): (name: string) => boolean {
  if (release.hash === manifest.hash) {
    const names = manifest.migrations.map(({ name }) => name);
    const own = new Set([...names, ...replacedBy(manifest.migrations)]);
    return (name) => own.has(name);
  }
  const named = new Set(release.newest);
  const { head } = release;
  const [oldestNamed] = release.newest;
  return (name) => {
    if (named.has(name) || head === undefined) return true;
    if (compareMigrations(name, head) > 0) return false;
    // What its baselines replace is older than they are, and named nowhere.
    if (named.size === release.count && release.replaced === 0) return false;
    return oldestNamed === undefined || compareMigrations(name, oldestNamed) < 0;
  };
}

export const OTHER_CODE =
  "the event is about another version of the migrations, or of the options, than this code has";

/** The reason of a decision, for the log. */
export function explain(decision: Decision): Readonly<Record<string, string>> {
  switch (decision.kind) {
    case "apply":
      return {
        because: decision.mayFail
          ? "a deploy applies what is pending"
          : "the rollback goes to newer migrations",
      };
    case "undo":
      return { because: "the stack returns to older migrations", release: decision.release };
    case "apply-if-pending":
      return { because: "the stack returns to an older head, with migrations that are new to it" };
    case "skip":
      return { because: REASONS_TO_SKIP[decision.why] };
    case "refuse":
    case "report":
      return { because: OTHER_CODE };
  }
}

const REASONS_TO_SKIP = {
  delete: "the stack or its migrations are being deleted; the database keeps what it has",
  rollback: "the stack rolls back, and there is nothing to undo",
  older: "the stack returns to older migrations, and onRollback is keep",
} as const;

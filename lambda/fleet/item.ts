import * as v from "valibot";
import { MigrationError } from "../../lib/core/index.ts";
import { FLEET_TARGET, type FleetTarget } from "../../lib/fleet/index.ts";
import type { Settings } from "../runtime/settings.ts";

const name = v.pipe(v.string(), v.nonEmpty("must not be empty"));

/** What is done to a target. Each can be repeated: what is done already is not done again. */
export const TARGET_REQUEST = v.variant("command", [
  v.strictObject({ command: v.literal("status") }),
  v.strictObject({ command: v.literal("plan"), to: v.exactOptional(name) }),
  v.strictObject({ command: v.literal("up"), to: v.exactOptional(name) }),
  v.strictObject({ command: v.literal("down"), to: name }),
]);
export type TargetRequest = v.InferOutput<typeof TARGET_REQUEST>;

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** What a function gets for one target: an item of a Distributed Map, or what the slice before it has answered as `next`. */
export const ITEM = v.strictObject({
  slice: v.strictObject({
    /** Name of the execution, for the history. */
    execution: v.string(),
    /** How many migrations the slices before this one have completed. */
    completed: v.exactOptional(count),
    /** How often the database was out of reach, one time after the other. */
    attempts: v.exactOptional(count),
    /** How often another session was at work, one time after the other. */
    waits: v.exactOptional(count),
    /** A slice before has left a statement to the server, whose session keeps the lock. */
    background: v.exactOptional(v.literal(true)),
  }),
  fleet: v.string(),
  /** Hash of the migrations that the execution is about. */
  release: v.string(),
  target: FLEET_TARGET,
  request: TARGET_REQUEST,
});
export type Item = v.InferOutput<typeof ITEM>;

const SHOWN = 5;

/**
 * Refuses to log in to another server than the fleet's with the fleet's password. Targets may come from a table that an
 * application writes: a row there must not be able to send the password to a server of its choice. A token is signed for
 * one host, and is of no use on another.
 * @throws MigrationError `TARGETS`
 */
export function requireOwnLogin(
  targets: readonly FleetTarget[],
  { host, login }: Pick<Settings, "host" | "login">,
): void {
  if (login.kind === "iam") return;
  const bare = targets.filter(
    (target) => target.host !== host && target.secret === undefined && target.user === undefined,
  );
  if (bare.length > 0) throw withoutLogin(bare);
}

/**
 * The same for rows and files that name the fleet's own secret for another server.
 * @throws MigrationError `TARGETS`
 */
export function requireOtherSecret(
  targets: readonly FleetTarget[],
  { host, login }: Pick<Settings, "host" | "login">,
): void {
  if (login.kind === "iam") return;
  const own = namesOf(login.secretArn);
  const lent = targets.filter(
    (target) =>
      target.host !== host &&
      target.secret !== undefined &&
      namesOf(target.secret).some((name) => own.includes(name)),
  );
  if (lent.length > 0) throw withoutLogin(lent);
}

/** What Secrets Manager would take for the same secret: its name, or an ARN, which ends with six characters of its own or not. */
function namesOf(secret: string): readonly string[] {
  const [, name] = /^arn:.*?:secret:(.*)$/s.exec(secret) ?? [];
  return name === undefined ? [secret] : [name, name.replace(/-[^-]{6}$/, "")];
}

function withoutLogin(targets: readonly FleetTarget[]): MigrationError {
  const listed = targets.slice(0, SHOWN).map((target) => `${target.name} (${target.host})`);
  const more = targets.length > SHOWN ? ` and ${targets.length - SHOWN} more` : "";
  return new MigrationError(
    "TARGETS",
    `on another server than the fleet's, and without a secret of its own: ${listed.join(", ")}${more}`,
    {
      hint: "Give each of them `secret`, the ARN or name of a secret with its user and password, or `user` for a token of IAM authentication: the fleet's own password is sent to no other server.",
    },
  );
}

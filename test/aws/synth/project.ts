import { Duration, Stack } from "aws-cdk-lib";
import type { App } from "aws-cdk-lib/core";
import * as v from "valibot";
import { given } from "../../../lib/core/index.ts";
import { PostgresDatabase, PostgresMigrations, PostgresRole } from "../../../lib/index.ts";
import { DATABASE_NAME } from "../cloud/physical-names.ts";

/** A stack as a user of the constructs writes it. */
export const ProjectRequest = v.strictObject({
  kind: v.literal("project"),
  migrationsDir: v.string(),
  /** PEM: the database is a plain endpoint instead of one of ours. */
  ca: v.optional(v.string()),
  onRollback: v.optional(v.picklist(["keep", "down"]), "keep"),
  order: v.optional(v.picklist(["strict", "warn", "allow"]), "strict"),
  transaction: v.optional(v.picklist(["each", "all"]), "each"),
  migrationsTable: v.optional(v.string(), "pgmigrations"),
  lockTimeoutMs: v.optional(v.number()),
  maxLockMs: v.optional(v.number()),
  /** Refuses deploys; every transaction of another session is an old one. */
  strictPreflight: v.optional(v.boolean(), false),
  allowDown: v.optional(v.boolean(), false),
  forceRun: v.optional(v.string()),
  revision: v.optional(v.string()),
  /** File or digest of an approved plan. */
  approvedPlan: v.optional(v.string()),
  /** Authentication is by IAM, as this user. */
  iamUser: v.optional(v.string()),
  /** A snapshot is made before migrations run. */
  snapshot: v.optional(v.boolean(), false),
  snapshotTimeoutSeconds: v.optional(v.number()),
  /** The database is a plain endpoint with this identifier of a cluster. */
  cluster: v.optional(v.string()),
  /** A role of this name, whose password is rotated. */
  role: v.optional(v.string()),
});
export type ProjectRequest = v.InferInput<typeof ProjectRequest>;

export function addProject(app: App, name: string, request: v.InferOutput<typeof ProjectRequest>): void {
  const {
    kind: _,
    ca,
    forceRun,
    revision,
    approvedPlan,
    iamUser,
    cluster,
    lockTimeoutMs,
    maxLockMs,
    ...others
  } = request;
  const { snapshot, snapshotTimeoutSeconds: seconds, role, strictPreflight, ...props } = others;
  const stack = new Stack(app, name);
  const database = new PostgresDatabase(stack, "Database", {
    databaseName: DATABASE_NAME,
    authentication: iamUser === undefined ? "secret" : "iam",
  });
  const { vpc, secret } = database;
  const server = { host: "database.example", ...given({ ca, clusterIdentifier: cluster }) };
  const isPlain = ca !== undefined || cluster !== undefined;
  const endpoint = isPlain ? { database: server, vpc, secret } : {};
  const migrations = new PostgresMigrations(stack, "Migrations", {
    ...{ database, databaseName: DATABASE_NAME, ...endpoint, ...props },
    ...given({ forceRun, revision }),
    ...(approvedPlan === undefined ? {} : { approvedPlan }),
    ...(iamUser === undefined ? {} : { username: iamUser }),
    ...(lockTimeoutMs === undefined ? {} : { lockTimeout: Duration.millis(lockTimeoutMs) }),
    ...(maxLockMs === undefined ? {} : { maxLock: Duration.millis(maxLockMs) }),
    ...(strictPreflight ? { preflight: "strict", oldTransaction: Duration.millis(0) } : {}),
    ...(snapshot ? { snapshotBeforeMigrate: true } : {}),
    ...(seconds === undefined ? {} : { snapshotTimeout: Duration.seconds(seconds) }),
  });
  if (role === undefined) return;
  const rotateAfter = Duration.days(30);
  new PostgresRole(stack, "Role", { migrations, access: "write", roleName: role, rotateAfter });
}

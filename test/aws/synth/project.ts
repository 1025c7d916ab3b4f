import { Stack } from "aws-cdk-lib";
import type { App } from "aws-cdk-lib/core";
import * as v from "valibot";
import { PostgresDatabase, PostgresMigrations } from "../../../lib/index.ts";
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
  allowDown: v.optional(v.boolean(), false),
  forceRun: v.optional(v.string()),
  /** File or digest of an approved plan. */
  approvedPlan: v.optional(v.string()),
  /** Authentication is by IAM, as this user. */
  iamUser: v.optional(v.string()),
});
export type ProjectRequest = v.InferInput<typeof ProjectRequest>;

export function addProject(app: App, name: string, request: v.InferOutput<typeof ProjectRequest>): void {
  const { kind: _, ca, forceRun, approvedPlan, iamUser, ...props } = request;
  const stack = new Stack(app, name);
  const database = new PostgresDatabase(stack, "Database", {
    databaseName: DATABASE_NAME,
    authentication: iamUser === undefined ? "secret" : "iam",
  });
  const { vpc, secret } = database;
  const endpoint = ca === undefined ? {} : { database: { host: "database.example", ca }, vpc, secret };
  new PostgresMigrations(stack, "Migrations", {
    ...{ database, databaseName: DATABASE_NAME, ...endpoint, ...props },
    ...(forceRun === undefined ? {} : { forceRun }),
    ...(approvedPlan === undefined ? {} : { approvedPlan }),
    ...(iamUser === undefined ? {} : { username: iamUser }),
  });
}

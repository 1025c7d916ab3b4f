import { Duration, Stack } from "aws-cdk-lib";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { Topic } from "aws-cdk-lib/aws-sns";
import type { App } from "aws-cdk-lib/core";
import * as v from "valibot";
import { given } from "../../../lib/core/index.ts";
import { FleetTargets, PostgresDatabase, PostgresMigrationsFleet } from "../../../lib/index.ts";
import { DATABASE_NAME } from "../cloud/physical-names.ts";

/** Bucket that nobody in the stack has made. */
export const LISTS_BUCKET = "lists";

/** Name of the fleet, with which executions confirm. */
export const FLEET = "tenants";

/** A stack with a fleet, as a user of the constructs writes it. */
export const FleetRequest = v.strictObject({
  kind: v.literal("fleet"),
  migrationsDir: v.string(),
  /** Key of a JSON object in a bucket, instead of the schemas in the table `tenants`. */
  targetsKey: v.optional(v.string()),
  canary: v.optional(v.union([v.number(), v.string(), v.array(v.string())]), 0),
  pauseSeconds: v.optional(v.number()),
  /** A topic is asked for approval. */
  approval: v.optional(v.boolean(), false),
  maxConcurrency: v.optional(v.number(), 4),
  maxConcurrencyPerServer: v.optional(v.number(), 4),
  toleratedFailures: v.optional(v.number(), 0),
  waitForFleet: v.optional(v.boolean(), true),
  allowDown: v.optional(v.boolean(), true),
});
export type FleetRequest = v.InferInput<typeof FleetRequest>;

export function addFleet(app: App, name: string, request: v.InferOutput<typeof FleetRequest>): void {
  const { kind: _, canary, targetsKey: key, pauseSeconds, approval, ...props } = request;
  const stack = new Stack(app, name);
  const database = new PostgresDatabase(stack, "Database", { databaseName: DATABASE_NAME });
  const targets =
    key === undefined
      ? FleetTargets.query({ sql: "SELECT schema FROM public.tenants ORDER BY schema" })
      : FleetTargets.json({ bucket: Bucket.fromBucketName(stack, "Lists", LISTS_BUCKET), key });
  new PostgresMigrationsFleet(stack, "Fleet", {
    ...{ database, targets, canary, ...props },
    fleetName: FLEET,
    allowNoTargets: true,
    ...given({ pause: pauseSeconds === undefined ? undefined : Duration.seconds(pauseSeconds) }),
    ...(approval ? { approvalTopic: new Topic(stack, "Approvals") } : {}),
  });
}

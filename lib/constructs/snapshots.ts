import { ArnFormat, Names, Stack, Token } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import { ENV, LIMITS } from "../../lambda/contract.ts";
import type { DatabaseTarget, SnapshotSource } from "./database-target.ts";
import type { PostgresMigrationsProps } from "./postgres-migrations-props.ts";
import { constructError } from "./validation.ts";

/** How a deploy makes a snapshot before it runs migrations. */
export interface Snapshots {
  readonly source: SnapshotSource;
  /** How their identifiers begin. */
  readonly prefix: string;
  /** In seconds. */
  readonly timeout: number;
  /** The instance or cluster, and all snapshots with the prefix. */
  readonly resourceArns: readonly [source: string, snapshots: string];
}

/**
 * Undefined if the props ask for no snapshots.
 * @param deployTimeout in seconds
 * @throws Error if it is not known what to make a snapshot of, or if no time would be left for the migrations
 */
export function migrationSnapshots(
  scope: Construct,
  props: PostgresMigrationsProps,
  { snapshotSource }: DatabaseTarget,
  deployTimeout: number,
): Snapshots | undefined {
  if (props.snapshotBeforeMigrate !== true) {
    if (props.snapshotTimeout === undefined) return undefined;
    throw constructError(scope, "snapshotTimeout is only for `snapshotBeforeMigrate: true`");
  }
  if (snapshotSource === undefined) {
    throw constructError(
      scope,
      "snapshotBeforeMigrate needs to know the database: give the endpoint the `instanceIdentifier` or the " +
        "`clusterIdentifier` of the RDS instance or cluster behind the host",
    );
  }
  const source = checkedSource(scope, snapshotSource);
  const prefix = snapshotPrefix(scope);
  return {
    source,
    prefix,
    timeout: checkedTimeout(scope, props, deployTimeout),
    resourceArns: [
      rdsArn(scope, source.kind === "cluster" ? "cluster" : "db", source.identifier),
      rdsArn(scope, source.kind === "cluster" ? "cluster-snapshot" : "snapshot", `${prefix}-*`),
    ],
  };
}

/** RDS writes identifiers in lower case, and so must the permissions. */
function checkedSource(scope: Construct, { kind, identifier }: SnapshotSource): SnapshotSource {
  if (Token.isUnresolved(identifier)) return { kind, identifier };
  if (/^[a-z](?:-?[a-z0-9])*$/i.test(identifier)) return { kind, identifier: identifier.toLowerCase() };
  throw constructError(
    scope,
    `"${identifier}" cannot be the identifier of an RDS ${kind}: a letter, then letters, digits and single hyphens`,
  );
}

/** The name of the stack, as an identifier of RDS; a nested stack has no name at synth. */
function snapshotPrefix(scope: Construct): string {
  const { stackName } = Stack.of(scope);
  const name = Token.isUnresolved(stackName) ? Names.uniqueId(scope) : stackName;
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/-$/, "");
}

/** Part of the deploy's time that is left for its migrations if nobody has said how long to wait for a snapshot. */
const FOR_MIGRATIONS = 1 / 4;

function checkedTimeout(
  scope: Construct,
  { snapshotTimeout }: PostgresMigrationsProps,
  deployTimeout: number,
): number {
  const room = Math.floor(deployTimeout * (1 - FOR_MIGRATIONS));
  const timeout = snapshotTimeout?.toSeconds() ?? Math.min(LIMITS.snapshotTimeout, room);
  if (timeout < deployTimeout) return timeout;
  throw constructError(
    scope,
    `snapshotTimeout (${timeout} seconds) must be shorter than timeout (${deployTimeout} seconds), which is the time of the ` +
      "whole deploy: shorten snapshotTimeout or lengthen timeout",
  );
}

function rdsArn(scope: Construct, resource: string, resourceName: string): string {
  const arnFormat = ArnFormat.COLON_RESOURCE_NAME;
  return Stack.of(scope).formatArn({ service: "rds", resource, resourceName, arnFormat });
}

export function snapshotEnvironment(snapshots: Snapshots | undefined): Record<string, string> {
  if (snapshots === undefined) return {};
  const { source, prefix, timeout } = snapshots;
  return {
    [ENV.snapshotOf]: `${source.kind}:${source.identifier}`,
    [ENV.snapshotPrefix]: prefix,
    [ENV.snapshotTimeout]: String(timeout),
  };
}

/** Allows to make and tag snapshots of this database under the prefix, and to ask for their state; not to delete any. */
export function grantSnapshots({ source, resourceArns }: Snapshots, handler: lambda.Function): void {
  const [, snapshots] = resourceArns;
  const [create, describe] =
    source.kind === "cluster"
      ? ["rds:CreateDBClusterSnapshot", "rds:DescribeDBClusterSnapshots"]
      : ["rds:CreateDBSnapshot", "rds:DescribeDBSnapshots"];
  handler.addToRolePolicy(
    new iam.PolicyStatement({ actions: [create, describe], resources: [...resourceArns] }),
  );
  handler.addToRolePolicy(
    new iam.PolicyStatement({ actions: ["rds:AddTagsToResource"], resources: [snapshots] }),
  );
}

import { describe, expect, test } from "@jest/globals";
import { Duration, RemovalPolicy, type Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as s3 from "aws-cdk-lib/aws-s3";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import * as sns from "aws-cdk-lib/aws-sns";
import { FleetTargets, type PostgresMigrationsFleetProps } from "../../lib/index.ts";
import { addFleet } from "./fleet.ts";
import { importedSecret, newStack } from "./synth.ts";

type Given = Partial<PostgresMigrationsFleetProps>;

/** Imported, because a test needs nothing of it. */
function elsewhere(stack: Stack): Given {
  const vpc = ec2.Vpc.fromVpcAttributes(stack, "Vpc", {
    vpcId: "vpc-0123456789abcdef0",
    availabilityZones: ["eu-west-1a"],
    privateSubnetIds: ["subnet-0123456789abcdef0"],
  });
  const secret = secretsmanager.Secret.fromSecretNameV2(stack, "Own", "shop/migrations");
  return { database: { host: "db.example.com" }, databaseName: "shop", secret, vpc };
}

function refusal(propsOf: (stack: Stack) => Given): string {
  const stack = newStack();
  try {
    addFleet(stack, { ...elsewhere(stack), ...propsOf(stack) });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "accepted";
}

const list = (...targets: Parameters<typeof FleetTargets.list>[0]): Given => ({
  targets: FleetTargets.list(targets),
});
const CANARY =
  'canary must be a whole number of targets, a share from 0 to 100 such as "10 %", or names of targets, not';

describe("a fleet refuses, with its path, the value and the fix:", () => {
  test.each<[string, Given, string]>([
    ["half a canary", { canary: 0.5 }, `${CANARY} 0.5`],
    ["a negative canary", { canary: -1 }, `${CANARY} -1`],
    ["a canary of more than all", { canary: "110 %" }, `${CANARY} "110 %"`],
    ["a negative share", { canary: "-5%" }, `${CANARY} "-5%"`],
    ["a part of a percent", { canary: "0.5 %" }, `${CANARY} "0.5 %"`],
    ["an empty canary", { canary: "" }, `${CANARY} ""`],
    ["a canary without names", { canary: [] }, `${CANARY} []`],
    ["no concurrency", { maxConcurrency: 0 }, "maxConcurrency must be a whole number from 1 to 10000, not 0"],
    [
      "negative concurrency",
      { maxConcurrency: -4 },
      "maxConcurrency must be a whole number from 1 to 10000, not -4",
    ],
    [
      "concurrency of half a target on a server",
      { maxConcurrencyPerServer: 1.5 },
      "maxConcurrencyPerServer must be a whole number from 1 to 10000, not 1.5",
    ],
    [
      "negative tolerance",
      { toleratedFailures: -1 },
      "toleratedFailures must be a whole number from 0 to 10000, not -1",
    ],
    [
      "a name that cannot be part of a key",
      { fleetName: "all tenants/*" },
      'fleetName must be a letter or digit, then up to 99 letters, digits and _ . -, not "all tenants/*"',
    ],
    [
      "a pause that a deploy cannot wait for",
      { pause: Duration.hours(1) },
      "pause must be at most 30 minutes, not 1 hour, unless `waitForFleet` is false",
    ],
    [
      "a time for approval without approval",
      { approvalTimeout: Duration.hours(1) },
      "approvalTimeout is only for an `approvalTopic`",
    ],
    ["an empty query", { targets: FleetTargets.query({ sql: " " }) }, "sql of the targets must not be empty"],
    [
      "a query too long for the environment of a function",
      { targets: FleetTargets.query({ sql: `SELECT schema FROM tenants -- ${"x".repeat(3_000)}` }) },
      "sql of the targets has 3030 bytes, more than the 3000 that fit into the environment of a function: make a view",
    ],
    [
      "a tag without a key",
      { targets: FleetTargets.secretsByTag({ key: "", value: "shop" }) },
      "key of the tag of the targets must not be empty",
    ],
    [
      "a pause longer than an execution",
      { waitForFleet: false, pause: Duration.days(366) },
      "pause must be whole seconds from 0 up to a year, which an execution may take, not 366 days",
    ],
    [
      "a pause of a part of a second",
      { pause: Duration.millis(1_500) },
      "pause must be whole seconds from 0 up to a year, which an execution may take, not 1 second 500 millis",
    ],
    ["an empty list", list(), "the list has no targets: give at least one, or `allowNoTargets: true`"],
    [
      "a canary that is not in the list",
      { ...list({ schema: "acme" }), canary: ["acme", "globex"] },
      'no target has the name "globex"',
    ],
    ["the same name twice", list({ schema: "acme" }, { name: "acme", schema: "b" }), '"acme"'],
    ["the same schema twice", list({ schema: "acme" }, { name: "b", schema: "acme" }), "the same schema"],
    [
      "a target of nothing",
      list({ name: "acme" }),
      "entry 1: a target must have a schema, a database or a host",
    ],
    [
      "a URL instead of a host",
      list({ host: "postgres://me:secret@db.example.com" }),
      "entry 1: host must be a host name alone",
    ],
    [
      "a target on another server with the fleet's own password",
      list({ host: "other.example.com" }),
      "the target shop is on another server (other.example.com) than the fleet's own database: give it the `secret`",
    ],
    [
      "a user whom nothing can be allowed",
      list({ schema: "acme", user: "migrator" }),
      "the user of the target acme needs the resource id of the database",
    ],
    [
      "schemas that would share one table of applied migrations",
      { ...list({ schema: "acme" }), migrationsSchema: "ops" },
      "acme is a schema, and with the table of applied migrations in the schema ops all of them would share one record",
    ],
    [
      "a list too long for a state machine",
      list(...Array.from({ length: 2_000 }, (_, index) => ({ schema: `tenant_${index}_${"x".repeat(40)}` }))),
      "the list of 2000 targets has",
    ],
    [
      "a lock wait longer than a function runs",
      { lockWait: Duration.minutes(20) },
      "lockWait (1200 seconds)",
    ],
  ])("%s", (_, props, message) => {
    const refused = refusal(() => props);
    expect(refused).toMatch(/^Stack\/Fleet: /);
    expect(refused).toContain(message);
    expect(refused).not.toContain("secret@");
  });

  test("no time for approval at all", () => {
    const approvalTimeout = Duration.seconds(0);
    const refused = refusal((stack) => ({
      ...{ waitForFleet: false, approvalTimeout, approvalTopic: new sns.Topic(stack, "Approvals") },
    }));
    expect(refused).toContain("approvalTimeout must be whole seconds from 1 up to a year");
  });

  test("approval in a deploy that waits, because CloudFormation waits for one hour", () => {
    expect(refusal((stack) => ({ approvalTopic: new sns.Topic(stack, "Approvals") }))).toBe(
      "Stack/Fleet: approvalTopic needs `waitForFleet: false`: CloudFormation waits for one hour, and for no person",
    );
  });

  test.each<[string, Given]>([
    ["retention", { resultsRetention: Duration.days(1) }],
    ["removal", { resultsRemovalPolicy: RemovalPolicy.DESTROY }],
  ])("%s of results in a bucket that is given", (_, props) => {
    const refused = refusal((stack) => ({
      ...props,
      resultsBucket: s3.Bucket.fromBucketName(stack, "Given", "results"),
    }));
    expect(refused).toContain(
      "are only for a bucket that the construct makes: set them on your resultsBucket",
    );
  });
});

test.each<[string, (stack: Stack) => Given]>([
  ["a share with a space", () => ({ canary: "10 %" })],
  ["a share without one", () => ({ canary: "10%" })],
  ["no canary", () => ({ canary: 0 })],
  ["names as canary", () => ({ canary: ["acme"] })],
  ["an empty list that is allowed", () => ({ ...list(), allowNoTargets: true })],
  [
    "approval without waiting",
    (stack) => ({ approvalTopic: new sns.Topic(stack, "T"), waitForFleet: false }),
  ],
  ["a pause of hours without waiting", () => ({ pause: Duration.hours(8), waitForFleet: false })],
  ["a secret for another server", (stack) => list({ host: "b.example.com", secret: importedSecret(stack) })],
  [
    "a user of IAM authentication for another server",
    () => list({ host: "b.example.com", user: "migrator" }),
  ],
  [
    "a table of applied migrations in one schema for databases",
    () => ({
      ...list({ database: "a" }, { database: "b" }),
      migrationsSchema: "ops",
    }),
  ],
])("a fleet accepts %s", (_, propsOf) => {
  expect(refusal(propsOf)).toBe("accepted");
});

test("hosts and ports that are known only after the deploy can be in a list", () => {
  const stack = newStack();
  const topic = new sns.Topic(stack, "Topic");
  const targets = FleetTargets.list([
    { host: topic.topicName, secret: importedSecret(stack) },
    { schema: "acme" },
  ]);
  addFleet(stack, { ...elsewhere(stack), targets });
});

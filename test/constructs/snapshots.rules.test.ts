import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { Duration, Stack, Validations } from "aws-cdk-lib";
import * as rds from "aws-cdk-lib/aws-rds";
import { AwsSolutionsChecks } from "cdk-nag";
import { PostgresDatabase, type PostgresMigrationsProps } from "../../lib/index.ts";
import {
  addMigrations,
  functionOf,
  importedGroup,
  importedSecret,
  makeVpc,
  newApp,
  newStack,
  only,
  resourcesOf,
  variables,
} from "./synth.ts";

const COMPLETE = "on-stack-event.isComplete";

/** Statements about RDS in the policies of all roles, as text. */
function rdsStatements(stack: Stack): { Action: unknown; Resource: unknown }[] {
  return resourcesOf(stack, "AWS::IAM::Policy").flatMap(({ Properties }) =>
    Properties["PolicyDocument"].Statement.filter((one: unknown) => JSON.stringify(one).includes('"rds:')),
  );
}

function withSnapshots(more: Partial<PostgresMigrationsProps> = {}, name = "Shop-Prod"): Stack {
  const stack = new Stack(newApp(), name);
  const database = new PostgresDatabase(stack, "Database");
  addMigrations(stack, { database, snapshotBeforeMigrate: true, ...more });
  return stack;
}

test("snapshotBeforeMigrate lets one function make snapshots of this instance under the name of the stack", () => {
  const stack = withSnapshots();
  const { id } = only(stack, "AWS::RDS::DBInstance");
  const rdsArn = (...end: unknown[]) => ({
    "Fn::Join": [
      "",
      [
        "arn:",
        { Ref: "AWS::Partition" },
        ":rds:",
        { Ref: "AWS::Region" },
        ":",
        { Ref: "AWS::AccountId" },
        ...end,
      ],
    ],
  });
  const snapshots = rdsArn(":snapshot:shop-prod-*");
  expect(rdsStatements(stack)).toEqual([
    {
      Effect: "Allow",
      Action: ["rds:CreateDBSnapshot", "rds:DescribeDBSnapshots"],
      Resource: [rdsArn(":db:", { Ref: id }), snapshots],
    },
    { Effect: "Allow", Action: "rds:AddTagsToResource", Resource: snapshots },
  ]);
  const settings = { SNAPSHOT_PREFIX: "shop-prod", SNAPSHOT_TIMEOUT: "2400" };
  expect(variables(stack, COMPLETE)).toMatchObject(settings);
  expect(variables(stack, "on-stack-event.handler")).toMatchObject(settings);
  expect(functionOf(stack, COMPLETE).Properties).not.toHaveProperty("VpcConfig");
});

test("snapshotBeforeMigrate gives the resource a property and an attribute", () => {
  const stack = newStack();
  const database = new PostgresDatabase(stack, "Database");
  const migrations = addMigrations(stack, { database, snapshotBeforeMigrate: true });
  const resource = only(stack, "Custom::PostgresMigrations");
  expect(resource.Properties).toMatchObject({ Snapshot: "true" });
  expect(stack.resolve(migrations.snapshot)).toEqual({ "Fn::GetAtt": [resource.id, "Snapshot"] });
});

test("snapshotBeforeMigrate can be turned on and off: the service token stays", () => {
  const tokens = [true, false].map(
    (snapshotBeforeMigrate) =>
      only(withSnapshots({ snapshotBeforeMigrate }), "Custom::PostgresMigrations").Properties["ServiceToken"],
  );
  expect(tokens[0]).toEqual(tokens[1]);
});

test("without snapshotBeforeMigrate there is no right in RDS and no attribute", () => {
  const stack = newStack();
  const migrations = addMigrations(stack, { database: new PostgresDatabase(stack, "Database") });
  expect(rdsStatements(stack)).toEqual([]);
  expect(JSON.stringify(resourcesOf(stack))).not.toContain("SNAPSHOT_");
  expect(only(stack, "Custom::PostgresMigrations").Properties).not.toHaveProperty("Snapshot");
  expect(() => migrations.snapshot).toThrow(
    "Stack/Migrations: there is no snapshot: snapshotBeforeMigrate is not set",
  );
});

const imported = (stack: Stack) => ({
  vpc: makeVpc(stack),
  secret: importedSecret(stack),
  databaseName: "app",
  snapshotBeforeMigrate: true,
});

test.each<[string, (stack: Stack) => PostgresMigrationsProps["database"], string]>([
  [
    "an imported instance",
    (stack) =>
      rds.DatabaseInstance.fromDatabaseInstanceAttributes(stack, "Imported", {
        instanceIdentifier: "Shop",
        instanceEndpointAddress: "shop.abcdef.eu-west-1.rds.amazonaws.com",
        port: 5432,
        securityGroups: [importedGroup(stack)],
      }),
    "instance:shop",
  ],
  [
    "an imported cluster",
    (stack) =>
      rds.DatabaseCluster.fromDatabaseClusterAttributes(stack, "Imported", {
        clusterIdentifier: "shop",
        clusterEndpointAddress: "shop.cluster-abcdef.eu-west-1.rds.amazonaws.com",
        port: 5432,
        securityGroups: [importedGroup(stack)],
      }),
    "cluster:shop",
  ],
  ["an endpoint", () => ({ host: "db.example.com", instanceIdentifier: "shop" }), "instance:shop"],
  [
    "the endpoint of a cluster",
    () => ({ host: "db.example.com", clusterIdentifier: "shop" }),
    "cluster:shop",
  ],
])("snapshotBeforeMigrate works with %s", (_, database, source) => {
  const stack = newStack();
  addMigrations(stack, { ...imported(stack), database: database(stack) });
  expect(variables(stack, COMPLETE)).toMatchObject({ SNAPSHOT_OF: source });
  const [kind, identifier] = source.split(":");
  const resource = kind === "cluster" ? ":cluster:" : ":db:";
  expect(JSON.stringify(rdsStatements(stack)[0])).toContain(`${resource}${identifier}"`);
});

test.each<[string, Partial<PostgresMigrationsProps>, RegExp]>([
  [
    "an endpoint without an identifier",
    { database: { host: "db.example.com" } },
    /instanceIdentifier.*clusterIdentifier/,
  ],
  [
    "both identifiers",
    { database: { host: "db.example.com", instanceIdentifier: "a", clusterIdentifier: "b" } },
    /has both/,
  ],
  [
    "an identifier with a wildcard",
    { database: { host: "db.example.com", instanceIdentifier: "shop*" } },
    /"shop\*" cannot be the identifier/,
  ],
  [
    "a wait that leaves no time for the migrations",
    {
      database: { host: "db.example.com", instanceIdentifier: "shop" },
      snapshotTimeout: Duration.minutes(55),
    },
    /snapshotTimeout \(3300 seconds\) must be shorter than timeout \(3300 seconds\)/,
  ],
  [
    "a wait for no snapshot",
    {
      database: { host: "db.example.com" },
      snapshotBeforeMigrate: false,
      snapshotTimeout: Duration.minutes(5),
    },
    /snapshotTimeout is only for/,
  ],
])("snapshotBeforeMigrate refuses %s", (_, more, message) => {
  const stack = newStack();
  const props = { ...imported(stack), database: { host: "db.example.com" }, ...more };
  expect(() => addMigrations(stack, props)).toThrow(message);
});

/** Rules of cdk-nag that the stack breaks, and where. */
function findings(snapshotBeforeMigrate: boolean): string[] {
  const app = newApp();
  const stack = new Stack(app, "Shop");
  const database = new PostgresDatabase(stack, "Database");
  addMigrations(stack, { database, snapshotBeforeMigrate });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  expect(() => app.synth()).toThrow("AwsSolutions");
  const report: NagReport = JSON.parse(readFileSync(join(app.outdir, "validation-report.json"), "utf8"));
  return report.pluginReports.flatMap(({ violations }) =>
    violations.flatMap(({ ruleName, violatingConstructs }) =>
      violatingConstructs.map(({ constructPath }) => `${ruleName} ${constructPath}`),
    ),
  );
}

interface NagReport {
  readonly pluginReports: readonly {
    readonly violations: readonly {
      readonly ruleName: string;
      readonly violatingConstructs: readonly { readonly constructPath: string }[];
    }[];
  }[];
}

test("snapshotBeforeMigrate adds one finding of cdk-nag, about names of snapshots", () => {
  const before = new Set(findings(false));
  const added = findings(true).filter((finding) => !before.has(finding));
  expect(added.map((finding) => finding.replace(/:<AWS::.*:snapshot/, ":…:snapshot"))).toEqual([
    expect.stringMatching(/^AwsSolutions-IAM5.*snapshot:shop-\*.* Shop\/Migrations\/Completion\//),
  ]);
});

test.each([
  [{ timeout: Duration.minutes(8) }, "360"],
  [{ timeout: Duration.minutes(30), snapshotTimeout: Duration.minutes(29) }, "1740"],
])("the wait for a snapshot is a part of the timeout: %j", (props, seconds) => {
  expect(variables(withSnapshots(props), COMPLETE)).toMatchObject({ SNAPSHOT_TIMEOUT: seconds });
});

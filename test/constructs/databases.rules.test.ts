import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { App, Stack } from "aws-cdk-lib";
import * as rds from "aws-cdk-lib/aws-rds";
import { makeAuthority } from "../support/tls.ts";
import {
  addMigrations,
  egress,
  functionOf,
  importedGroup,
  importedSecret,
  makeVpc,
  newApp,
  newStack,
  only,
  resourcesOf,
  SECRET_ARN,
  variables,
} from "./synth.ts";

function importedInstance(stack: Stack, securityGroups = [importedGroup(stack)]): rds.IDatabaseInstance {
  return rds.DatabaseInstance.fromDatabaseInstanceAttributes(stack, "Imported", {
    instanceIdentifier: "app",
    instanceEndpointAddress: "app.abcdef.eu-west-1.rds.amazonaws.com",
    port: 5433,
    securityGroups,
  });
}

test("an imported instance is reached through its security group, with a secret given by its ARN", () => {
  const stack = newStack();
  addMigrations(stack, {
    vpc: makeVpc(stack),
    database: importedInstance(stack),
    secret: importedSecret(stack),
    databaseName: "app",
  });
  expect(variables(stack)).toMatchObject({
    DATABASE_HOST: "app.abcdef.eu-west-1.rds.amazonaws.com",
    DATABASE_PORT: "5433",
    DATABASE_SECRET_ARN: SECRET_ARN,
  });
  expect(egress(stack)).toEqual([
    expect.objectContaining({ CidrIp: "0.0.0.0/0", FromPort: 443, Description: "Secrets Manager" }),
    expect.objectContaining({ DestinationSecurityGroupId: "sg-0123456789abcdef0", FromPort: 5433 }),
  ]);
  expect(only(stack, "AWS::EC2::SecurityGroupIngress").Properties).toMatchObject({
    GroupId: "sg-0123456789abcdef0",
    FromPort: 5433,
  });
});

test("an imported instance without security groups is reached at any address on its port", () => {
  const stack = newStack();
  addMigrations(stack, {
    vpc: makeVpc(stack),
    database: importedInstance(stack, []),
    secret: importedSecret(stack),
    databaseName: "app",
  });
  expect(egress(stack)).toMatchObject([
    { CidrIp: "0.0.0.0/0", FromPort: 5433 },
    { CidrIp: "0.0.0.0/0", FromPort: 443 },
  ]);
});

test("an instance in another stack brings its name and secret, and the rules are made in the stack of the migrations", () => {
  const app = newApp();
  const theirs = new Stack(app, "Theirs");
  const vpc = makeVpc(theirs);
  const database = new rds.DatabaseInstance(theirs, "Database", {
    engine: rds.DatabaseInstanceEngine.postgres({ version: rds.PostgresEngineVersion.VER_17 }),
    vpc,
    databaseName: "shop",
  });
  const stack = new Stack(app, "Ours");
  addMigrations(stack, { vpc, database });
  expect(variables(stack)).toMatchObject({ DATABASE_NAME: "shop" });
  expect(resourcesOf(theirs, "AWS::EC2::SecurityGroupIngress")).toHaveLength(0);
  const { id } = only(stack, "AWS::EC2::SecurityGroupIngress");
  expect(only(stack, "Custom::PostgresMigrations").DependsOn).toContain(id);
});

test("the functions connect to the writer of a cluster and wait for its instances", () => {
  const stack = newStack();
  const vpc = makeVpc(stack);
  const database = new rds.DatabaseCluster(stack, "Cluster", {
    engine: rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_16_6 }),
    vpc,
    writer: rds.ClusterInstance.serverlessV2("Writer"),
    defaultDatabaseName: "shop",
  });
  addMigrations(stack, { vpc, database });
  const { id } = only(stack, "AWS::RDS::DBCluster");
  expect(variables(stack)).toMatchObject({
    DATABASE_HOST: { "Fn::GetAtt": [id, "Endpoint.Address"] },
    DATABASE_NAME: "shop",
  });
  const { DependsOn } = only(stack, "Custom::PostgresMigrations");
  expect(DependsOn).toEqual(expect.arrayContaining([id, only(stack, "AWS::RDS::DBInstance").id]));
});

test("a plain endpoint is reached at its address only, with the given certificates in the asset", async () => {
  const stack = newStack();
  const { cert: ca } = await makeAuthority();
  addMigrations(stack, {
    vpc: makeVpc(stack),
    database: { host: "10.1.2.3", port: 6432, ca },
    secret: importedSecret(stack),
    databaseName: "app",
  });
  expect(variables(stack)).toMatchObject({
    DATABASE_HOST: "10.1.2.3",
    DATABASE_PORT: "6432",
    CA_FILE: "ca.pem",
  });
  expect(egress(stack)[0]).toMatchObject({ CidrIp: "10.1.2.3/32", FromPort: 6432 });
  const key = String(functionOf(stack, "on-deploy.handler").Properties["Code"].S3Key);
  const asset = join(App.of(stack)?.synth().directory ?? "", `asset.${key.replace(".zip", "")}`);
  expect(readFileSync(join(asset, "ca.pem"), "utf8")).toBe(ca);
});

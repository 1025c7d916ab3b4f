import { describe, expect, test } from "@jest/globals";
import type { Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import { PostgresDatabase } from "../../lib/index.ts";
import { addMigrations, newStack, resourcesOf } from "./synth.ts";

/** Something that serves requests from the database's VPC, and so has a security group of its own. */
function makeApi(stack: Stack, vpc: ec2.IVpc): lambda.Function {
  return new lambda.Function(stack, "Api", {
    runtime: lambda.Runtime.NODEJS_24_X,
    handler: "index.handler",
    code: lambda.Code.fromInline("exports.handler = async () => {};"),
    vpc,
    vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
    allowAllOutbound: false,
  });
}

interface StackWithDatabase {
  readonly stack: Stack;
  readonly database: PostgresDatabase;
}

/** Each gives what is to wait for the migrations. */
const WAITING: readonly (readonly [string, (given: StackWithDatabase) => Construct])[] = [
  [
    "an API that the database lets in",
    ({ stack, database }) => {
      const api = makeApi(stack, database.vpc);
      database.instance.connections.allowDefaultPortFrom(api);
      return api;
    },
  ],
  [
    "an API that opens its own way to the database",
    ({ stack, database }) => {
      const api = makeApi(stack, database.vpc);
      api.connections.allowTo(database.instance, ec2.Port.POSTGRES);
      return api;
    },
  ],
  [
    "an API that reads the secret through the same endpoint",
    ({ stack, database }) => {
      const api = makeApi(stack, database.vpc);
      database.secretsManagerEndpoint?.connections.allowDefaultPortFrom(api);
      database.secret.grantRead(api);
      return api;
    },
  ],
  ["the rotation of the password", ({ database }) => database.instance.addRotationSingleUser()],
];

describe("executeBefore", () => {
  test.each(WAITING)("%s can wait for the migrations although it needs the database", (_, make) => {
    const stack = newStack();
    const database = new PostgresDatabase(stack, "Database", { databaseName: "app" });
    const waiting = make({ stack, database });
    addMigrations(stack, { database, executeBefore: [waiting] });
    // Throws when resources wait for each other.
    const resources = resourcesOf(stack);
    const custom = resources.find(({ Type }) => Type === "Custom::PostgresMigrations");
    const waitingFor = resources.filter(({ DependsOn = [] }) => DependsOn.includes(custom?.id ?? ""));
    expect(waitingFor.length).toBeGreaterThan(0);
  });
});

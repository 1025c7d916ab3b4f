import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { Duration, type Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as rds from "aws-cdk-lib/aws-rds";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import { sealPlan } from "../../lib/core/index.ts";
import { PostgresMigrations, type PostgresMigrationsProps } from "../../lib/index.ts";
import { writeFolder } from "../support/folders.ts";
import { makeAuthority } from "../support/tls.ts";
import { makeIsolatedVpc, makeVpc, newStack, sqlFolder } from "./synth.ts";

const PLAIN = { host: "db.example.com" };
const NOTHING = "nothing";
const folder = sqlFolder("1_one");

/** Props with nothing wrong about them. */
function rightProps(stack: Stack): PostgresMigrationsProps {
  return {
    vpc: makeVpc(stack),
    database: PLAIN,
    secret: secretsmanager.Secret.fromSecretNameV2(stack, "Secret", "app"),
    databaseName: "app",
    migrationsDir: folder,
  };
}

/** What synth says when these props take the place of the right ones; of any type, as from JavaScript. */
function refusal(wrong: (stack: Stack) => object): string {
  const stack = newStack();
  const props = { ...rightProps(stack), ...wrong(stack) };
  try {
    Reflect.construct(PostgresMigrations, [stack, "Migrations", props]);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return NOTHING;
}

test("valid props are accepted", () => {
  expect(refusal(() => ({}))).toBe(NOTHING);
});

test("the endpoint of a proxy in the same app is refused although its host name is a token", () => {
  const said = refusal((stack) => {
    const vpc = makeVpc(new Construct(stack, "Proxied"));
    const engine = rds.DatabaseInstanceEngine.postgres({ version: rds.PostgresEngineVersion.VER_17 });
    const instance = new rds.DatabaseInstance(stack, "Instance", { engine, vpc });
    const { secret } = instance;
    const secrets = secret === undefined ? [] : [secret];
    return { database: { host: instance.addProxy("Proxy", { vpc, secrets }).endpoint } };
  });
  expect(said).toMatch(/RDS Proxy/);
});

describe("read-only servers", () => {
  const engine = rds.DatabaseInstanceEngine.postgres({ version: rds.PostgresEngineVersion.VER_17 });

  test("a read replica of an instance is refused", () => {
    const said = refusal((stack) => {
      const vpc = makeVpc(new Construct(stack, "Replicated"));
      const sourceDatabaseInstance = new rds.DatabaseInstance(stack, "Instance", { engine, vpc });
      const instanceType = new ec2.InstanceType("t4g.micro");
      const replica = { sourceDatabaseInstance, instanceType, vpc };
      return { database: new rds.DatabaseInstanceReadReplica(stack, "Replica", replica) };
    });
    expect(said).toMatch(/read replica.*the instance it replicates/);
  });

  test("the reader endpoint of a cluster is refused as a token and by its host name", () => {
    const said = refusal((stack) => {
      const aurora = rds.AuroraPostgresEngineVersion.VER_17_4;
      const cluster = new rds.DatabaseCluster(stack, "Cluster", {
        engine: rds.DatabaseClusterEngine.auroraPostgres({ version: aurora }),
        vpc: makeVpc(new Construct(stack, "Clustered")),
        writer: rds.ClusterInstance.serverlessV2("Writer"),
      });
      return { database: { host: cluster.clusterReadEndpoint.hostname } };
    });
    expect(said).toMatch(/read replica/);
    const host = "shop.cluster-ro-abcdefghijkl.eu-west-1.rds.amazonaws.com";
    expect(refusal(() => ({ database: { host } }))).toMatch(/read replica/);
  });
});

describe("two constructs on one database", () => {
  const both = (one: object, other: object): (() => void) => {
    const stack = newStack();
    const props = rightProps(stack);
    Reflect.construct(PostgresMigrations, [stack, "One", { ...props, ...one }]);
    return () => Reflect.construct(PostgresMigrations, [stack, "Other", { ...props, ...other }]);
  };

  test.each([
    ["the same table", {}, {}],
    ["the same table, once by its default", { migrationsSchema: "public" }, { schema: ["public", "app"] }],
  ])("two constructs on one database are refused if they use %s", (_, one, other) => {
    expect(both(one, other)).toThrow(/^Stack\/Other: Stack\/One already runs migrations on this database/);
  });

  test.each([
    ["another table", { migrationsTable: "other" }],
    ["another schema", { schema: "other" }],
    ["another database", { databaseName: "other" }],
    ["another server", { database: { host: "other.example.com" } }],
  ])("two constructs on one database are accepted if the second one has %s", (_, other) => {
    expect(both({}, other)).not.toThrow();
  });
});

describe("a folder", () => {
  test.each([
    ["does not exist", () => join(writeFolder({}), "nowhere"), /nowhere/],
    ["has no migrations", () => writeFolder({ "README.md": "Nothing yet.\n" }), /no migration/],
    ["has a file that cannot be a migration", () => writeFolder({ "1_one.py": "" }), /1_one\.py/],
    ["has two migrations of one name", () => writeFolder({ "1_a.sql": "", "1_a.ts": "" }), /1_a/],
    [
      "has a migration that does not compile",
      () => writeFolder({ "1_a.ts": "export const up = (" }),
      /1_a\.ts:1/,
    ],
  ])("a folder that %s is refused", (_, make, message) => {
    const said = refusal(() => ({ migrationsDir: make() }));
    expect(said).toMatch(message);
    expect(said).toMatch(/^Stack\/Migrations: /);
  });

  test("the refusal of a folder has a hint", () => {
    expect(refusal(() => ({ migrationsDir: writeFolder({}) }))).toMatch(/no migration.*\n.+/);
  });
});

describe("a database", () => {
  test.each([
    ["the host of an RDS Proxy", { host: "app.proxy-abcdefghijkl.eu-west-1.rds.amazonaws.com" }],
    [
      "the host of an additional proxy endpoint",
      { host: "ro.endpoint.proxy-abcdefghijkl.eu-west-1.rds.amazonaws.com" },
    ],
    ["an rds.DatabaseProxy", { dbProxyArn: "arn:aws:rds:eu-west-1:1:db-proxy:prx-1", endpoint: "app" }],
  ])("%s is refused as a database", (_, database) => {
    expect(refusal(() => ({ database }))).toMatch(
      /^Stack\/Migrations: the migrations cannot run through an RDS Proxy \(.+\): give the instance/,
    );
  });

  test("a database of another engine is refused", () => {
    const database = (stack: Stack) =>
      rds.DatabaseInstance.fromDatabaseInstanceAttributes(stack, "Imported", {
        instanceIdentifier: "app",
        instanceEndpointAddress: "app.example.com",
        port: 3306,
        securityGroups: [],
        engine: rds.DatabaseInstanceEngine.MYSQL,
      });
    expect(refusal((stack) => ({ database: database(stack) }))).toContain("the database's engine is mysql");
  });

  test.each([
    ["an empty object", {}, "database must be a PostgresDatabase"],
    [
      "a URL instead of a host name",
      { host: "postgres://u:pw@db/app" },
      "database.host must be a host name alone",
    ],
    ["an invalid port", { host: "db", port: 70_000 }, "a port from 1 to 65535, not 70000"],
    [
      "the path of a certificate file instead of its text",
      { host: "db", ca: "certs/ca.pem" },
      'not "certs/ca.pem": read the file',
    ],
    [
      "an unreadable certificate",
      { host: "db", ca: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" },
      "certificate 1 of 1 in database.ca cannot be read",
    ],
  ])("%s is refused in the database prop", (_, database, message) => {
    expect(refusal(() => ({ database }))).toContain(message);
  });

  test("a private key among the certificates is refused and not repeated in the error", async () => {
    const { cert, key } = await makeAuthority();
    const said = refusal(() => ({ database: { host: "db", ca: `${cert}\n${key}` } }));
    expect(said).toContain("database.ca contains a private key");
    expect(said).not.toContain("BEGIN");
  });

  test("a password in a host is not repeated in the error", () => {
    expect(refusal(() => ({ database: { host: "postgres://u:pw123@db/app" } }))).not.toContain("pw123");
  });
});

describe("a prop", () => {
  test.each([
    ["a missing secret", { secret: undefined }, "secret is required: this database has none"],
    ["a missing database name", { databaseName: undefined }, "databaseName is required"],
    ["a missing VPC", { vpc: undefined }, "vpc is required"],
    [
      "a timeout of an hour",
      { timeout: Duration.hours(1) },
      "timeout must be at most 55 minutes, not 3600 seconds: CloudFormation waits for one hour",
    ],
    [
      "a lock wait that leaves no time to work",
      { timeout: Duration.minutes(2), lockWait: Duration.seconds(90) },
      "lockWait (90 seconds) and the 30 seconds kept for an orderly end leave no time to work in a function of 120 seconds: lengthen timeout or",
    ],
    [
      "a lock wait that does not fit into one invocation",
      { lockWait: Duration.minutes(14) },
      "lockWait (840 seconds) and the 30 seconds kept for an orderly end leave no time to work in a function of 840 seconds: shorten",
    ],
    ["an unknown onRollback", { onRollback: "undo" }, 'onRollback must be "keep" or "down", not "undo"'],
    ["an unknown order", { order: "any" }, 'order must be "strict" or "warn" or "allow", not "any"'],
    [
      "an unknown transaction mode",
      { transaction: "none" },
      'transaction must be "each" or "all", not "none"',
    ],
    ["an empty list of schemas", { schema: [] }, "schema must name at least one"],
    [
      "a fractional number of retries",
      { lockRetries: 1.5 },
      "lockRetries must be a whole number, 0 or more, not 1.5",
    ],
    [
      "a public subnet",
      { vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC } },
      "vpcSubnets must be private or isolated",
    ],
  ])("%s is refused", (_, wrong, message) => {
    expect(refusal(() => wrong)).toContain(`Stack/Migrations: ${message}`);
  });
});

describe("no route to Secrets Manager", () => {
  const NONE = "Stack/Migrations: the functions' subnets have no known route to Secrets Manager";

  test("isolated subnets are refused if the VPC has only an endpoint of another service", () => {
    const made = (stack: Stack) => {
      const vpc = makeIsolatedVpc(new Construct(stack, "Network"));
      vpc.addInterfaceEndpoint("Kms", { service: ec2.InterfaceVpcEndpointAwsService.KMS });
      return vpc;
    };
    expect(refusal((stack) => ({ vpc: made(stack) }))).toContain(NONE);
  });

  test("isolated subnets are refused if only another VPC has an endpoint", () => {
    const imported = (stack: Stack) => {
      makeIsolatedVpc(new Construct(stack, "Network")).addInterfaceEndpoint("Secrets", {
        service: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
      });
      return ec2.Vpc.fromVpcAttributes(stack, "Imported", {
        vpcId: "vpc-0123456789abcdef0",
        availabilityZones: ["eu-west-1a"],
        isolatedSubnetIds: ["subnet-1"],
      });
    };
    expect(refusal((stack) => ({ vpc: imported(stack) }))).toContain(NONE);
  });

  test("an endpoint without a security group is refused", () => {
    const endpoint = (stack: Stack) =>
      ec2.InterfaceVpcEndpoint.fromInterfaceVpcEndpointAttributes(stack, "Endpoint", {
        vpcEndpointId: "vpce-0123456789abcdef0",
        port: 443,
      });
    expect(refusal((stack) => ({ secretsManagerEndpoint: endpoint(stack) }))).toContain(
      "Stack/Migrations: secretsManagerEndpoint has no security group",
    );
  });
});

describe("an approved plan", () => {
  const plan = { version: 1, action: "up", digest: "a".repeat(64), steps: [] };
  const fileWith = (text: string): string => join(writeFolder({ "plan.json": text }), "plan.json");

  test("a file as plan --out writes it, and a digest, are accepted", () => {
    expect(refusal(() => ({ approvedPlan: fileWith(sealPlan(plan)) }))).toBe(NOTHING);
    expect(refusal(() => ({ approvedPlan: plan.digest }))).toBe(NOTHING);
  });

  test.each([
    ["that is missing", () => "nowhere.json", /nowhere\.json cannot be read as approvedPlan/],
    ["that is not JSON", () => fileWith("digest"), /plan\.json is not JSON/],
    [
      "that was edited",
      () => fileWith(sealPlan(plan).replace('"up"', '"down"')),
      /was edited after it was written/,
    ],
    [
      "of down",
      () => fileWith(sealPlan({ ...plan, action: "down" })),
      /is a plan of down, and a deploy runs up/,
    ],
    ["without a digest", () => fileWith(sealPlan({ action: "up" })), /has no digest/],
  ])("a plan file %s is refused at synth, with the construct's path", (_what, file, says) => {
    const said = refusal(() => ({ approvedPlan: file() }));
    expect(said).toMatch(says);
    expect(said).toMatch(/^Stack\/Migrations: /);
  });
});

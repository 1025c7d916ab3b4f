import { expect, test } from "@jest/globals";
import { Stack, Validations } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as rds from "aws-cdk-lib/aws-rds";
import { AwsSolutionsChecks } from "cdk-nag";
import { PostgresDatabase } from "../../lib/index.ts";
import {
  addMigrations,
  egress,
  importedGroup,
  importedSecret,
  makeIsolatedVpc,
  makeVpc,
  newApp,
  newStack,
  only,
  resourcesOf,
  variables,
} from "./synth.ts";

/** The statements that allow to connect, one for each function. */
function connectGrants(stack: Stack) {
  return resourcesOf(stack, "AWS::IAM::Policy").flatMap(({ Properties }) =>
    Properties["PolicyDocument"].Statement.filter(
      ({ Action }: { Action: unknown }) => Action === "rds-db:connect",
    ),
  );
}

function text(value: unknown): string {
  return JSON.stringify(value);
}

const iam = { authentication: "iam", username: "migrator" } as const;

test("IAM authentication with a PostgresDatabase needs no secret, and its VPC no Secrets Manager endpoint", () => {
  const stack = newStack();
  addMigrations(stack, {
    database: new PostgresDatabase(stack, "Database", { authentication: "iam" }),
    username: "migrator",
  });
  const instance = only(stack, "AWS::RDS::DBInstance");
  expect(instance.Properties["EnableIAMDatabaseAuthentication"]).toBe(true);
  expect(resourcesOf(stack, "AWS::EC2::VPCEndpoint")).toEqual([]);
  for (const handler of ["on-deploy.handler", "on-status.handler", "on-operate.handler"]) {
    expect(variables(stack, handler)).toMatchObject({ DATABASE_USER: "migrator" });
    expect(variables(stack, handler)).not.toHaveProperty("DATABASE_SECRET_ARN");
  }
  expect(text(resourcesOf(stack, "AWS::IAM::Policy"))).not.toContain("secretsmanager");
  expect(egress(stack).filter(({ FromPort }) => FromPort === 443)).toEqual([]);
  expect(only(stack, "Custom::PostgresMigrations").Properties).toMatchObject({ User: "migrator" });
  expect(only(stack, "Custom::PostgresMigrations").Properties).not.toHaveProperty("Secret");
});

test("IAM authentication allows each function to connect as its one user to the one instance", () => {
  const stack = newStack();
  addMigrations(stack, {
    database: new PostgresDatabase(stack, "Database", { authentication: "iam" }),
    username: "migrator",
    statusUsername: "reader",
  });
  const grants = connectGrants(stack).map(({ Resource }) => text(Resource));
  expect(grants).toHaveLength(3);
  const { id } = only(stack, "AWS::RDS::DBInstance");
  for (const grant of grants) {
    expect(grant).toContain(`{"Fn::GetAtt":["${id}","DbiResourceId"]}`);
    expect(grant).not.toContain("*");
  }
  expect(grants.filter((grant) => grant.includes('"/migrator"'))).toHaveLength(2);
  expect(grants.filter((grant) => grant.includes('"/reader"'))).toHaveLength(1);
});

test("IAM authentication is turned on for a cluster of the app, whose resource id the grant names", () => {
  const stack = newStack();
  const vpc = makeIsolatedVpc(stack);
  const database = new rds.DatabaseCluster(stack, "Cluster", {
    engine: rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_16_6 }),
    vpc,
    vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
    writer: rds.ClusterInstance.serverlessV2("Writer"),
    defaultDatabaseName: "shop",
  });
  addMigrations(stack, { vpc, database, ...iam });
  const cluster = only(stack, "AWS::RDS::DBCluster");
  expect(cluster.Properties["EnableIAMDatabaseAuthentication"]).toBe(true);
  const [grant] = connectGrants(stack);
  expect(text(grant)).toContain(`["${cluster.id}","DBClusterResourceId"]`);
});

test("IAM authentication works with an endpoint whose resource id is given", () => {
  const stack = newStack();
  addMigrations(stack, {
    vpc: makeIsolatedVpc(stack),
    database: { host: "db.example.com", securityGroup: importedGroup(stack), resourceId: "db-ABC123" },
    databaseName: "app",
    ...iam,
  });
  expect(text(connectGrants(stack)[0])).toContain(":dbuser:db-ABC123/migrator");
});

test("without IAM authentication the database and the functions are as they were", () => {
  const stack = newStack();
  addMigrations(stack, { database: new PostgresDatabase(stack, "Database") });
  expect(only(stack, "AWS::RDS::DBInstance").Properties).not.toHaveProperty(
    "EnableIAMDatabaseAuthentication",
  );
  expect(connectGrants(stack)).toEqual([]);
  expect(variables(stack)).not.toHaveProperty("DATABASE_USER");
});

test("the construct has no secret to hand out with IAM authentication, and says so", () => {
  const stack = newStack();
  const database = new PostgresDatabase(stack, "Database", { authentication: "iam" });
  const migrations = addMigrations(stack, { database, username: "migrator" });
  expect(() => migrations.secret).toThrow('Stack/Migrations: there is no secret: authentication is "iam"');
  expect(database.secret.secretArn).toBeDefined();
});

test("IAM authentication adds no finding of cdk-nag to the permissions of the functions", () => {
  const app = newApp();
  const stack = new Stack(app, "Stack");
  addMigrations(stack, {
    database: new PostgresDatabase(stack, "Database", { authentication: "iam" }),
    username: "migrator",
  });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  let findings = "";
  try {
    app.synth();
  } catch (error) {
    findings = String(error);
  }
  expect(findings).toContain("AwsSolutions-VPC7");
  expect(findings).not.toMatch(/AwsSolutions-IAM5\[Resource::.*dbuser/);
});

const plain = (stack: Stack) => ({
  vpc: makeVpc(stack),
  database: { host: "db.example.com", resourceId: "db-ABC123" },
  databaseName: "app",
});

test.each<[string, (stack: Stack) => Parameters<typeof addMigrations>[1], RegExp]>([
  ["no user", (stack) => ({ ...plain(stack), authentication: "iam" }), /username is required/],
  [
    "a wildcard as user",
    (stack) => ({ ...plain(stack), ...iam, username: "*" }),
    /"\*" must be a database user/,
  ],
  [
    "a secret too",
    (stack) => ({ ...plain(stack), ...iam, secret: importedSecret(stack) }),
    /secret is only for/,
  ],
  [
    "a secret for status too",
    (stack) => ({ ...plain(stack), ...iam, statusSecret: importedSecret(stack) }),
    /statusSecret is only for/,
  ],
  [
    "a user beside a secret",
    (stack) => ({ ...plain(stack), secret: importedSecret(stack), username: "me" }),
    /username is only for/,
  ],
  [
    "an endpoint without its resource id",
    (stack) => ({ ...plain(stack), ...iam, database: { host: "db.example.com" } }),
    /needs the resource id/,
  ],
  [
    "the name of the instance as its resource id",
    (stack) => ({ ...plain(stack), ...iam, database: { host: "db.example.com", resourceId: "shop" } }),
    /database\.resourceId must be like "db-/,
  ],
  [
    "an imported instance without its resource id",
    (stack) => ({
      ...plain(stack),
      ...iam,
      database: rds.DatabaseInstance.fromDatabaseInstanceAttributes(stack, "Imported", {
        instanceIdentifier: "app",
        instanceEndpointAddress: "app.abcdef.eu-west-1.rds.amazonaws.com",
        port: 5432,
        securityGroups: [],
      }),
    }),
    /needs the resource id/,
  ],
  [
    "an imported cluster without its resource id",
    (stack) => ({
      ...plain(stack),
      ...iam,
      database: rds.DatabaseCluster.fromDatabaseClusterAttributes(stack, "Imported", {
        clusterIdentifier: "app",
        clusterEndpointAddress: "app.cluster-abcdef.eu-west-1.rds.amazonaws.com",
        port: 5432,
      }),
    }),
    /needs the resource id/,
  ],
])("IAM authentication refuses %s", (_, props, message) => {
  const stack = newStack();
  expect(() => addMigrations(stack, props(stack))).toThrow(message);
});

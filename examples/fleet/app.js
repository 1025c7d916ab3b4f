// An app with a schema for each of its tenants. Every deploy migrates the tables that all share, then each schema.
import { App, CfnOutput, Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as rds from "aws-cdk-lib/aws-rds";
import { FleetTargets, PostgresMigrations, PostgresMigrationsFleet } from "cdk-pg-migrate";

const app = new App();
const stack = new Stack(app, "Shop");

const vpc = new ec2.Vpc(stack, "Vpc", { maxAzs: 2, natGateways: 1 });

const cluster = new rds.DatabaseCluster(stack, "Database", {
  engine: rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_17_4 }),
  writer: rds.ClusterInstance.serverlessV2("writer"),
  defaultDatabaseName: "shop",
  storageEncrypted: true,
  vpc,
});
const database = { vpc, database: cluster, databaseName: "shop" };

const shared = new PostgresMigrations(stack, "Shared", { ...database, migrationsDir: "migrations/shared" });

const tenants = new PostgresMigrationsFleet(stack, "Tenants", {
  ...database,
  fleetName: "tenants",
  migrationsDir: "migrations/tenant",
  targets: FleetTargets.query({
    sql: "SELECT name, 'tenant_' || name AS schema FROM public.tenants ORDER BY created_at",
  }),
  // Of a new tenant.
  createSchema: true,
  // Before the first one.
  allowNoTargets: true,
});
// The query needs the table.
tenants.node.addDependency(shared);

const api = new lambda.Function(stack, "Api", {
  runtime: lambda.Runtime.NODEJS_22_X,
  handler: "index.handler",
  code: lambda.Code.fromInline("exports.handler = async () => ({ statusCode: 200 });"),
  environment: { FLEET_MACHINE: tenants.operateMachine.stateMachineArn },
});
// The new code is deployed only after every tenant has been migrated.
tenants.executeBefore(api);
// `createTenant` starts the fleet for one tenant.
tenants.grantOperate(api);

new CfnOutput(stack, "StatusMachine", { value: tenants.statusMachine.stateMachineArn });
new CfnOutput(stack, "OperateMachine", { value: tenants.operateMachine.stateMachineArn });

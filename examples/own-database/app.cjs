// app.js in CommonJS.
const { App, Stack } = require("aws-cdk-lib");
const ec2 = require("aws-cdk-lib/aws-ec2");
const lambda = require("aws-cdk-lib/aws-lambda");
const rds = require("aws-cdk-lib/aws-rds");
const { PostgresMigrations } = require("cdk-pg-migrate");

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

const migrations = new PostgresMigrations(stack, "Migrations", {
  vpc,
  database: cluster,
  databaseName: "shop",
  migrationsDir: "migrations",
});

const api = new lambda.Function(stack, "Api", {
  runtime: lambda.Runtime.NODEJS_22_X,
  handler: "index.handler",
  code: lambda.Code.fromInline("exports.handler = async () => ({ statusCode: 200 });"),
});
// The new code is deployed only after the migrations have run.
migrations.executeBefore(api);

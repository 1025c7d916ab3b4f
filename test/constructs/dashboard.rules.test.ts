import { expect, it } from "@jest/globals";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { METRICS } from "../../lambda/contract.ts";
import { PostgresDatabase } from "../../lib/index.ts";
import { addMigrations, newStack, resourcesOf } from "./synth.ts";

it("a dashboard shows every metric of the functions, of the deploy function and of the operate function", () => {
  const stack = newStack();
  const database = new PostgresDatabase(stack, "Database", { databaseName: "shop" });
  const migrations = addMigrations(stack, { database });
  migrations.addToDashboard(new cloudwatch.Dashboard(stack, "Dashboard"));
  const [dashboard] = resourcesOf(stack, "AWS::CloudWatch::Dashboard");
  const { DashboardBody: body } = dashboard?.Properties ?? {};
  // The body is JSON with references in it.
  const text = JSON.stringify(body).replaceAll('\\"', '"');
  const { namespace, ...names } = METRICS;
  for (const name of Object.values(names)) expect(text).toContain(`"${namespace}","${name}","Function"`);
  const functions = [migrations.deployFunction, migrations.operateFunction].map(({ functionName }) =>
    JSON.stringify(stack.resolve(functionName)),
  );
  for (const name of functions) expect(text.split(name)).toHaveLength(8);
  expect(text.match(/"title":"shop: [^"]+"/g)).toHaveLength(5);
  for (const name of ["Started", "Succeeded", "Failed", "TimedOut"])
    expect(text).toContain(`"AWS/States","Executions${name}"`);
});

it("without a dashboard, the stack has none", () => {
  const stack = newStack();
  addMigrations(stack, { database: new PostgresDatabase(stack, "Database") });
  expect(resourcesOf(stack, "AWS::CloudWatch::Dashboard")).toEqual([]);
});

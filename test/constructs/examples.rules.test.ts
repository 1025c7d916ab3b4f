import { expect, test } from "@jest/globals";
import { CfnOutput, Duration } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import * as sns from "aws-cdk-lib/aws-sns";
import ts from "typescript";
import {
  FleetTargets,
  PostgresDatabase,
  PostgresMigrations,
  PostgresMigrationsFleet,
  PostgresRole,
} from "../../lib/index.ts";
import { EXAMPLES } from "./examples.ts";
import { newStack, resourcesOf } from "./synth.ts";

const IMPORTED = {
  CfnOutput,
  Duration,
  FleetTargets,
  PostgresDatabase,
  PostgresMigrations,
  PostgresMigrationsFleet,
  PostgresRole,
  ec2,
  lambda,
  secretsmanager,
  sns,
};

test("every construct has an @example", () => {
  const files = EXAMPLES.map(([file]) => file);
  expect(files).toEqual(
    expect.arrayContaining([
      "postgres-database.ts",
      "postgres-migrations.ts",
      "postgres-migrations-fleet.ts",
      "postgres-role.ts",
    ]),
  );
});

// test/package compiles them.
test.each(EXAMPLES)("the @example in %s, number %i, synthesizes", (_file, _number, code) => {
  const stack = newStack();
  const { outputText } = ts.transpileModule(code, { compilerOptions: { target: ts.ScriptTarget.ES2022 } });
  const run: unknown = Reflect.construct(Function, [...Object.keys(IMPORTED), outputText]);
  if (typeof run === "function") Reflect.apply(run, stack, Object.values(IMPORTED));
  const made = resourcesOf(stack).map(({ Type }) => Type);
  const resources = ["Custom::PostgresMigrations", "Custom::PostgresMigrationsFleet"];
  expect(made.filter((type) => resources.includes(type))).not.toEqual([]);
});

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { ROOT } from "./synth.ts";

const FOLDER = join(ROOT, "lib", "constructs");

/** The `@example`s of the constructs: file, number and code. */
export const EXAMPLES: readonly (readonly [string, number, string])[] =
  readdirSync(FOLDER).flatMap(examplesIn);

function examplesIn(file: string): [string, number, string][] {
  const text = readFileSync(join(FOLDER, file), "utf8");
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  return source.statements
    .flatMap((statement) => ts.getJSDocTags(statement))
    .filter(({ tagName }) => tagName.text === "example")
    .map(({ comment }, index) => [file, index + 1, ts.getTextOfJSDocComment(comment) ?? ""]);
}

/** A module of an app with all examples, each in a function whose `this` is a stack. */
export const EXAMPLES_MODULE = `
import { CfnOutput, Duration, Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import * as sns from "aws-cdk-lib/aws-sns";
import {
  FleetTargets,
  PostgresDatabase,
  PostgresMigrations,
  PostgresMigrationsFleet,
  PostgresRole,
} from "cdk-pg-migrate";

${EXAMPLES.map(([, , code], index) => `export function example${index}(this: Stack) {\n${code}\n}\n`).join("\n")}`;

/** The same as a program that synthesizes each example as a stack of its own. */
export const EXAMPLES_APP = `${ts.transpileModule(EXAMPLES_MODULE, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } }).outputText}
import { App, Stack as AppStack } from "aws-cdk-lib";
const app = new App();
${EXAMPLES.map((_, index) => `example${index}.call(new AppStack(app, "Example${index}"));`).join("\n")}
`;

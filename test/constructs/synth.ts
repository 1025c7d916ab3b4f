import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { App, type AppProps, Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";
import { PostgresMigrations, type PostgresMigrationsProps } from "../../lib/index.ts";
import { writeFolder } from "../support/folders.ts";

export const ROOT = join(import.meta.dirname, "..", "..");

/** The feature flags that the app is synthesized with. */
export const CONTEXT: Readonly<Record<string, unknown>> = JSON.parse(
  readFileSync(join(ROOT, "cdk.json"), "utf8"),
).context;

const out = writeFolder({});

/** An app that leaves nothing behind. CDK's own validation takes seconds: only tests about it have it on. */
export function newApp(props: AppProps = {}): App {
  const outdir = mkdtempSync(join(out, "cdk.out-"));
  return new App({ context: CONTEXT, builtinCloudFormationValidation: false, outdir, ...props });
}

export function newStack(): Stack {
  return new Stack(newApp(), "Stack");
}

/** Private subnets with a NAT gateway, and isolated ones. */
export function makeVpc(scope: Construct, props: ec2.VpcProps = {}): ec2.IVpc {
  const vpc: unknown = new ec2.Vpc(scope, "Vpc", { maxAzs: 2, natGateways: 1, ...props });
  if (isVpc(vpc)) return vpc;
  throw new TypeError("no VPC");
}

/** Only isolated subnets. */
export function makeIsolatedVpc(scope: Construct): ec2.IVpc {
  return makeVpc(scope, {
    natGateways: 0,
    subnetConfiguration: [{ name: "Isolated", subnetType: ec2.SubnetType.PRIVATE_ISOLATED }],
  });
}

function isVpc(value: unknown): value is ec2.IVpc {
  return value instanceof ec2.Vpc;
}

/** Migrations that need no compiler. */
export function sqlFolder(...names: readonly string[]): string {
  return writeFolder(Object.fromEntries(names.map((name) => [`${name}.sql`, "SELECT 1;\n"])));
}

let usualFolder: string | undefined;

/** Migrations of a database that is given, in a folder that all tests of a file share. */
export function addMigrations(
  scope: Construct,
  props: Omit<PostgresMigrationsProps, "migrationsDir"> & { readonly migrationsDir?: string },
): PostgresMigrations {
  usualFolder ??= sqlFolder("1_one", "2_two");
  return new PostgresMigrations(scope, "Migrations", { migrationsDir: usualFolder, ...props });
}

export interface Resource {
  readonly id: string;
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: properties of any resource
  readonly Properties: Readonly<Record<string, any>>;
  readonly DeletionPolicy?: string;
  readonly DependsOn?: readonly string[];
}

/** The resources of a stack, of one type or all. */
export function resourcesOf(stack: Stack, type?: string): readonly Resource[] {
  const { Resources: resources } = Template.fromStack(stack).toJSON();
  const all = Object.entries<Omit<Resource, "id">>(resources).map(([id, one]) => ({ ...one, id }));
  return type === undefined ? all : all.filter(({ Type }) => Type === type);
}

interface ValidationReport {
  readonly pluginReports: readonly {
    readonly violations: readonly {
      readonly ruleName: string;
      readonly violatingConstructs: readonly { readonly constructPath: string }[];
    }[];
  }[];
}

/** `<rule> <path>` of what validations have found in an app that was synthesized. */
export function findingsOf(app: App): readonly string[] {
  const text = readFileSync(join(app.outdir, "validation-report.json"), "utf8");
  const report: ValidationReport = JSON.parse(text);
  return report.pluginReports.flatMap(({ violations }) =>
    violations.flatMap(({ ruleName, violatingConstructs }) =>
      violatingConstructs.map(({ constructPath }) => `${ruleName} ${constructPath}`),
    ),
  );
}

/** The only resource of its type. */
export function only(stack: Stack, type: string): Resource {
  const [first, ...rest] = resourcesOf(stack, type);
  if (first !== undefined && rest.length === 0) return first;
  throw new Error(`${first === undefined ? "no" : "more than one"} ${type}`);
}

/** The function with this handler. */
export function functionOf(stack: Stack, handler: string): Resource {
  const found = resourcesOf(stack, "AWS::Lambda::Function").find(
    ({ Properties }) => Properties["Handler"] === handler,
  );
  if (found === undefined) throw new Error(`no function with ${handler}`);
  return found;
}

/** Environment of the function with this handler. */
export function variables(stack: Stack, handler = "on-deploy.handler"): Resource["Properties"] {
  return functionOf(stack, handler).Properties["Environment"].Variables;
}

/** Where the functions may connect to: rules in their group, and those in resources of their own. */
export function egress(stack: Stack): readonly Resource["Properties"][] {
  const groups = resourcesOf(stack, "AWS::EC2::SecurityGroup").filter(({ Properties }) =>
    Properties["GroupDescription"].startsWith("Functions"),
  );
  return [
    ...groups.flatMap(({ Properties }) => Properties["SecurityGroupEgress"] ?? []),
    ...resourcesOf(stack, "AWS::EC2::SecurityGroupEgress").map(({ Properties }) => Properties),
  ];
}

export const SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app-AbCdEf";

export function importedSecret(stack: Stack): secretsmanager.ISecret {
  return secretsmanager.Secret.fromSecretCompleteArn(stack, "Secret", SECRET_ARN);
}

export function importedGroup(stack: Stack): ec2.ISecurityGroup {
  return ec2.SecurityGroup.fromSecurityGroupId(stack, "Group", "sg-0123456789abcdef0");
}

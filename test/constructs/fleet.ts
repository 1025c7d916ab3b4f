import type { Stack } from "aws-cdk-lib";
import {
  FleetTargets,
  PostgresDatabase,
  PostgresMigrationsFleet,
  type PostgresMigrationsFleetProps,
} from "../../lib/index.ts";
import { newStack, resourcesOf, sqlFolder } from "./synth.ts";

let usualFolder: string | undefined;

/** A fleet of the schemas that a query returns, in a database of the stack. */
export function addFleet(
  stack: Stack,
  props: Partial<PostgresMigrationsFleetProps> = {},
): PostgresMigrationsFleet {
  usualFolder ??= sqlFolder("1_one", "2_two");
  return new PostgresMigrationsFleet(stack, "Fleet", {
    database: props.database ?? new PostgresDatabase(stack, "Database", { databaseName: "shop" }),
    migrationsDir: usualFolder,
    targets: FleetTargets.query({ sql: "SELECT schema FROM public.tenants" }),
    ...props,
  });
}

export function stackWithFleet(props: Partial<PostgresMigrationsFleetProps> = {}): Stack {
  const stack = newStack();
  addFleet(stack, props);
  return stack;
}

/** What the role of the construct with this path below the fleet may do: `<action> <resource>`, conditions last. */
export function rightsOf(stack: Stack, id: string): readonly string[] {
  const policies = resourcesOf(stack, "AWS::IAM::Policy").filter(({ Properties }) =>
    Properties["Roles"].some((role: { readonly Ref?: string }) => role.Ref?.startsWith(`Fleet${id}`)),
  );
  return policies.flatMap(({ Properties }) =>
    Properties["PolicyDocument"].Statement.flatMap((statement: Statement) =>
      [statement.Action].flat().flatMap((action) =>
        listOf(statement.Resource).map((resource) => {
          const condition =
            statement.Condition === undefined ? "" : ` ${JSON.stringify(statement.Condition)}`;
          return `${statement.Effect === "Deny" ? "deny " : ""}${action} ${plain(resource)}${condition}`;
        }),
      ),
    ),
  );
}

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** A reference as `<logical id without its hash>` or `<...>.Arn`, a joined text with these in it. */
export function plain(value: unknown): string {
  if (typeof value === "string") return value;
  const text = (field: string): unknown =>
    typeof value === "object" && value !== null ? Reflect.get(value, field) : undefined;
  const [ref, attribute, join] = [text("Ref"), text("Fn::GetAtt"), text("Fn::Join")];
  if (typeof ref === "string") return `<${withoutHash(ref)}>`;
  if (Array.isArray(attribute)) return `<${withoutHash(String(attribute[0]))}.${String(attribute[1])}>`;
  if (Array.isArray(join)) return listOf(join[1]).map(plain).join("");
  return JSON.stringify(value);
}

function withoutHash(id: string): string {
  return id.replace(/[0-9A-F]{8}$/, "");
}

/** An app in TypeScript as people write it, for each module system and compiler. */
export const STACK = `import { Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import { Construct } from "constructs";
import { PostgresDatabase, PostgresMigrations, PostgresMigrationsProps } from "cdk-pg-migrate";

export class Shop extends Stack {
  readonly head: string;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    const vpc = new ec2.Vpc(this, "Vpc", { maxAzs: 2 });
    const database = new PostgresDatabase(this, "Database", { vpc });
    const props: PostgresMigrationsProps = { database, migrationsDir: "migrations", transaction: "each" };
    this.head = new PostgresMigrations(this, "Migrations", props).head;
  }
}

// @ts-expect-error The compiler knows the props: it has not taken them for "any".
export const wrong: PostgresMigrationsProps = { migrationsDir: 1 };
`;

export const MIGRATION = `import type { ColumnDefinitions, MigrationBuilder } from "cdk-pg-migrate";

export const shorthands: ColumnDefinitions = { money: { type: "numeric(12,2)", notNull: true } };

export async function up(pgm: MigrationBuilder): Promise<void> {
  pgm.createTable("orders", { id: "id", total: "money" });
  const { rowCount } = await pgm.db.query("SELECT 1");
  const count: number | null = rowCount;
  // @ts-expect-error The compiler knows the builder: it has not taken it for "any".
  if (count === -1) pgm.createNothing("orders");
}
`;

/** \`cdk init\` of the years 2021 to 2024 wrote these, but for the names. */
export const OLD_TEMPLATE = {
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "ES2020",
      module: "commonjs",
      lib: ["es2020", "dom"],
      declaration: true,
      strict: true,
      noImplicitAny: true,
      strictNullChecks: true,
      noImplicitThis: true,
      alwaysStrict: true,
      noImplicitReturns: true,
      inlineSourceMap: true,
      inlineSources: true,
      experimentalDecorators: true,
      strictPropertyInitialization: false,
      typeRoots: ["./node_modules/@types"],
    },
    exclude: ["node_modules", "cdk.out"],
  }),
  "jest.config.js": `module.exports = {
  testEnvironment: "node",
  roots: ["<rootDir>/test"],
  testMatch: ["**/*.test.ts"],
  transform: { "^.+\\\\.tsx?$": ["ts-jest", { isolatedModules: true }] },
};
`,
  "bin/app.ts": `#!/usr/bin/env node
import "source-map-support/register";
import * as cdk from "aws-cdk-lib";
import { Shop } from "../lib/stack";

new Shop(new cdk.App(), "Shop");
`,
  "lib/stack.ts": STACK,
  "migrations/1770000000000_create-orders.ts": MIGRATION,
  "test/stack.test.ts": testOf("../lib/stack"),
} as const;

/** What an app tests of its stack with Jest. */
export function testOf(stack: string): string {
  return `import * as cdk from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { Shop } from "${stack}";

test("the stack runs the migrations", () => {
  const template = Template.fromStack(new Shop(new cdk.App(), "Shop"));
  template.resourceCountIs("Custom::PostgresMigrations", 1);
});
`;
}

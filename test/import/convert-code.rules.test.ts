import { describe, expect, it } from "@jest/globals";
import { knex, sequelize, typeorm } from "../../lib/import/javascript.ts";
import { openSourceFolder } from "../../lib/import/source-folder.ts";
import type { ForeignMigration, Tool } from "../../lib/import/tool.ts";
import { writeFolder } from "../support/folders.ts";

/** The one migration that a tool reads from a file. */
async function read(tool: Tool, text: string, file = "1_a.js"): Promise<ForeignMigration> {
  const [migration] = await tool.readFolder(await openSourceFolder(writeFolder({ [file]: text })));
  if (migration === undefined) throw new Error("no migration");
  return migration;
}

async function sqlOf(tool: Tool, text: string, file?: string): Promise<unknown> {
  const { content } = await read(tool, text, file);
  if (content.kind !== "sql") return content.reason;
  return [content.up, content.down].flatMap((one) => (one === undefined ? [] : [one.sql]));
}

const CONVERTED: readonly (readonly [string, Tool, string, readonly string[]])[] = [
  [
    "functions of a module in TypeScript, with types",
    knex,
    `import type { Knex } from "knex";
     export async function up(knex: Knex): Promise<void> { await knex.raw("SELECT 1"); await knex.raw(\`SELECT 2\`); }
     export const down = async (knex: Knex) => { await knex.raw("SELECT " + "3"); };`,
    ["SELECT 1;\nSELECT 2;", "SELECT 3;"],
  ],
  [
    "a chain of raw",
    knex,
    `exports.up = (k) => k.schema.raw("SELECT 1").raw("SELECT 2");`,
    ["SELECT 1;\nSELECT 2;"],
  ],
  [
    "a down that does nothing",
    knex,
    `exports.up = (k) => k.raw("SELECT 1"); exports.down = async () => {};`,
    ["SELECT 1;"],
  ],
  [
    "a semicolon and a comment at the end",
    knex,
    `exports.up = (k) => k.raw("SELECT 1; -- one");`,
    ["SELECT 1; -- one\n;"],
  ],
  [
    "a query interface that is taken apart",
    sequelize,
    `module.exports = { up: async ({ sequelize: db }) => { await db.query("SELECT 1"); } };`,
    ["SELECT 1;"],
  ],
  [
    "the context of umzug",
    sequelize,
    `exports.up = async ({ context: qi }) => qi.sequelize.query("SELECT 1");
     exports.down = async (all) => all.context.sequelize.query("SELECT 2");`,
    ["SELECT 1;", "SELECT 2;"],
  ],
  [
    "a class in TypeScript",
    typeorm,
    `import { MigrationInterface, QueryRunner } from "typeorm";
     export class A1704067200000 implements MigrationInterface {
       name = 'A1704067200000'
       public async up(queryRunner: QueryRunner): Promise<void> { await queryRunner.query(\`SELECT 1\`); }
       public async down(queryRunner: QueryRunner): Promise<void> { await queryRunner.query(\`SELECT 2\`); }
     }`,
    ["SELECT 1;", "SELECT 2;"],
  ],
];

const REFUSED: readonly (readonly [string, Tool, string])[] = [
  ["a builder of SQL", knex, `exports.up = (k) => k.schema.createTable("a", (t) => t.increments());`],
  ["a builder after raw", knex, `exports.up = (k) => k.schema.raw("SELECT 1").dropTable("a");`],
  ["a placeholder", knex, `exports.up = (k) => k.raw("SELECT ?");`],
  ["values", knex, `exports.up = (k) => k.raw("SELECT 1", []);`],
  ["an expression in the SQL", knex, `exports.up = (k) => k.raw(\`SELECT \${1}\`);`],
  [
    "a statement that nothing waits for",
    knex,
    `exports.up = async (k) => { k.raw("SELECT 1"); await k.raw("SELECT 2"); };`,
  ],
  ["a loop", knex, `exports.up = async (k) => { for (const a of [1]) await k.raw("SELECT 1"); };`],
  ["a condition", knex, `exports.up = async (k) => { if (process.env.A) await k.raw("SELECT 1"); };`],
  [
    "a statement after return",
    knex,
    `exports.up = async (k) => { return k.raw("SELECT 1"); await k.raw("SELECT 2"); };`,
  ],
  ["another parameter", knex, `exports.up = async (k, other) => { await other.raw("SELECT 1"); };`],
  ["no up", knex, `exports.down = (k) => k.raw("SELECT 1");`],
  ["code that cannot be parsed", knex, "exports.up = ("],
  [
    "a down that does more",
    knex,
    `exports.up = (k) => k.raw("SELECT 1"); exports.down = (k) => k("a").del();`,
  ],
  [
    "a transaction setting that is no constant",
    knex,
    `exports.config = { transaction: process.env.A === "1" }; exports.up = (k) => k.raw("SELECT 1");`,
  ],
  ["options of a query", sequelize, `exports.up = (qi) => qi.sequelize.query("SELECT 1", { raw: true });`],
  ["a method of the query interface", sequelize, `exports.up = (qi) => qi.createTable("a", {});`],
  [
    "parameters of a query",
    typeorm,
    `class A1704067200000 { async up(q) { await q.query("SELECT $1", [1]); } }`,
  ],
  ["two classes", typeorm, `class A { async up(q) {} } class B { async up(q) {} }`],
];

describe("code of another tool", () => {
  it.each(CONVERTED)("that has %s is converted", async (_what, tool, text, expected) => {
    expect(await sqlOf(tool, text, "1_a.ts")).toEqual(expected);
  });

  it.each(REFUSED)("that has %s is refused with a reason", async (_what, tool, text) => {
    expect(await sqlOf(tool, text)).toMatch(/\w+ \w+/);
  });
});

it.each([
  ["its class", "class A1704067200000 { async up(q) {} }"],
  ["its own name", `class A { name = "Renamed1704067200000"; async up(q) {} }`],
  ["its own name with a type", `class A1 { name: string = "Renamed1704067200000"; async up(q) {} }`],
])("a migration of TypeORM is known by the time at the end of the name of %s", async (_what, text) => {
  expect((await read(typeorm, text, "a.ts")).key).toBe("1704067200000");
});

it("migrations of TypeORM come in the order of their times, whatever their files are called", async () => {
  const dir = writeFolder({
    "b.ts": "export class B1704067200000 { async up(q) {} }",
    "a.ts": "export class A1704067200001 { async up(q) {} }",
    "index.ts": "",
    "a.d.ts": "",
  });
  const files = (await typeorm.readFolder(await openSourceFolder(dir))).map(({ file }) => file);
  expect(files).toEqual(["b.ts", "a.ts"]);
});

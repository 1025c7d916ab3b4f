import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type Catalog, diffCatalogs, readCatalog } from "../../lib/review/catalog/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles } from "../support/folders.ts";
import { chosenCases } from "../support/postgres.ts";
import { environmentOf, jsonOf, runCommand } from "./command.ts";
import { type Run, statesOf, withHistory } from "./import-history.ts";

interface History {
  readonly history: string;
  readonly tool: string;
  /** Flags that the history needs. */
  readonly flags: readonly string[];
  /** @default "public" */
  readonly schema?: string;
  readonly table: string;
  readonly companions: readonly string[];
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  /** What is said of the whole history. */
  readonly remarks: readonly string[];
}

const CASES: readonly History[] = [
  {
    history: "flyway",
    tool: "flyway",
    flags: [],
    table: "flyway_schema_history",
    companions: [],
    applied: ["0001_1_users", "0002_1.9_index", "0003_1.10_add_email", "0004_2_orders", "0005_3_vacuum"],
    pending: ["0006_4_notes", "0007_5_R_names"],
    remarks: [],
  },
  {
    history: "prisma",
    tool: "prisma",
    flags: [],
    table: "_prisma_migrations",
    companions: [],
    applied: ["20240101000000_init", "20240102000000_index"],
    pending: ["20240103000000_role"],
    remarks: [],
  },
  {
    history: "drizzle",
    tool: "drizzle",
    flags: [],
    schema: "drizzle",
    table: "__drizzle_migrations",
    companions: [],
    applied: ["0000_calm_users", "0001_kind_posts"],
    pending: ["0002_late_view"],
    remarks: [],
  },
  {
    history: "knex",
    tool: "knex",
    flags: ["--source", "knex-migrations"],
    table: "knex_migrations",
    companions: ["knex_migrations_lock"],
    applied: ["20240101000000_users", "20240102000000_orders", "20240103000000_orders_index"],
    pending: ["20240104000000_view"],
    remarks: [],
  },
  {
    history: "sequelize",
    tool: "sequelize",
    flags: ["--source", "sequelize-migrations"],
    table: "SequelizeMeta",
    companions: [],
    applied: ["20240101000000-users", "20240102000000-users-index"],
    pending: ["20240103000000-orders"],
    remarks: [],
  },
  {
    history: "typeorm",
    tool: "typeorm",
    flags: [],
    table: "migrations",
    companions: [],
    applied: ["1704067200000-CreateUsers", "1704153600000-IndexUsers"],
    pending: ["1704240000000-AddAge"],
    remarks: [],
  },
  {
    history: "dbmate",
    tool: "dbmate",
    flags: [],
    table: "schema_migrations",
    companions: [],
    applied: ["20240101000000_users", "20240102000000_users_index"],
    pending: ["20240103000000_mood"],
    remarks: [],
  },
  {
    history: "golang-migrate",
    tool: "golang-migrate",
    flags: [],
    table: "schema_migrations",
    companions: [],
    applied: ["000001_users", "000002_index", "000003_email", "000010_orders"],
    pending: ["000011_notes"],
    remarks: [],
  },
  {
    history: "goose",
    tool: "goose",
    flags: ["--source", "sql"],
    table: "goose_db_version",
    companions: [],
    applied: ["00001_users", "00002_index", "00003_email", "20240104000000_orders"],
    pending: ["20240105000000_notes"],
    remarks: [],
  },
  {
    history: "liquibase",
    tool: "liquibase",
    flags: ["--source", "export"],
    table: "databasechangelog",
    companions: ["databasechangeloglock"],
    applied: [
      "0001_db.changelog-master",
      "0002_orders_orders",
      "0003_orders_guarded",
      "0004_001_function_fn",
      "0005_001_function_idx",
      "0006_001_function_multi",
      "0007_001_function_always",
      "0008_last_last",
    ],
    pending: ["0009_last_notes"],
    remarks: [
      "Recorded as applied, though Liquibase never ran them, as their preconditions did not hold: 0003_orders_guarded.",
    ],
  },
  {
    history: "liquibase-sql",
    tool: "liquibase",
    flags: [],
    table: "databasechangelog",
    companions: ["databasechangeloglock"],
    applied: [
      "0001_001_users",
      "0002_001b_plain",
      "0003_002_names_function",
      "0004_002_names_index",
      "0005_002_names_delimiter",
      "0006_003_email_email",
      "0007_003_email_guarded",
      "0008_003_email_always",
    ],
    pending: ["0009_004_notes"],
    remarks: [
      "Liquibase ran these again after a change, which is a new migration here: 0003_002_names_function.",
      "Labels select nothing here, all of these run: 0004_002_names_index.",
      "Preconditions are not checked here: 0006_003_email_email, 0007_003_email_guarded.",
      "Recorded as applied, though Liquibase never ran them, as their preconditions did not hold: 0007_003_email_guarded.",
      "Liquibase ran these on every update, and here they run once: 0008_003_email_always.",
    ],
  },
];

const allOf = (names: readonly string[], state: string) =>
  Object.fromEntries(names.map((name) => [name, state]));

/** Rows of the tool's tables. */
function rowsOf(db: TestDatabase, tables: readonly string[]): Promise<unknown[]> {
  return Promise.all(tables.map((table) => db.query(`SELECT * FROM ${table} t ORDER BY t`)));
}

/** The schema without the tables of the two tools. */
async function catalogOf(
  db: TestDatabase,
  { schema = "public", table, companions }: History,
): Promise<Catalog> {
  const others = [table, ...companions].map((name) => ({ schema, name }));
  return readCatalog(await db.client(), { exclude: { others } });
}

describe.each(chosenCases(CASES, 3))("import of the recorded history of $history", (one) => {
  const { tool, flags, schema = "public", applied, pending, remarks } = one;
  const [table = "", ...companions] = [one.table, ...one.companions].map((name) => `"${schema}"."${name}"`);

  it("import records what is applied, leaves the tool's tables alone, and runs what is pending", () =>
    withHistory(one.history, "database", async (run, project, db) => {
      const before = await rowsOf(db, [table, ...companions]);
      const dry = await run("import", "--from", tool, ...flags, "--dry-run", "--json");
      expect(jsonOf(dry)).toMatchObject({ ok: true, remarks });
      expect(existsSync(join(project, "migrations"))).toBe(false);
      expect(await run("import", "--from", tool, ...flags)).toMatchObject({ code: 0, stderr: "" });
      expect(await statesOf(run)).toEqual({ ...allOf(applied, "applied"), ...allOf(pending, "pending") });
      expect(await rowsOf(db, [table, ...companions])).toEqual(before);

      expect(await run("up")).toMatchObject({ code: 0, stderr: "" });
      const again = await run("import", "--from", tool, ...flags);
      expect(again.stdout).toContain("is recorded already: nothing was changed");
      expect(again.stdout).not.toContain("pending");
      await withHistory(one.history, "complete", async (_run, _project, complete) => {
        expect(diffCatalogs(await catalogOf(complete, one), await catalogOf(db, one))).toBe("");
      });
    }));

  it("import makes the same schema in a fresh database, and its files pass verify, which undoes what the tool could undo", () =>
    withHistory(one.history, "complete", async (run, project, db) => {
      await run("import", "--from", tool, ...flags);
      await withDatabase(async (fresh) => {
        const elsewhere: Run = (...args) => runCommand(project, args, environmentOf(fresh.connection));
        // Some tools make a schema for their table.
        if (schema !== "public") await fresh.query(`CREATE SCHEMA ${schema}`);
        expect(await elsewhere("up")).toMatchObject({ code: 0, stderr: "" });
        expect(diffCatalogs(await catalogOf(db, one), await catalogOf(fresh, one))).toBe("");
        expect(await elsewhere("verify")).toMatchObject({ code: 0 });
      });
    }));

  it("import finds nothing to do where all is applied, and changes nothing when it is run again", () =>
    withHistory(one.history, "complete", async (run, project, db) => {
      await db.query(
        `CREATE SCHEMA tools; ALTER TABLE ${table} SET SCHEMA tools; ALTER TABLE tools."${one.table}" RENAME TO versions`,
      );
      const importAgain = () => run("import", "--from", tool, ...flags, "--table", "tools.versions");
      expect(await importAgain()).toMatchObject({ code: 0 });
      expect(await statesOf(run)).toEqual(allOf([...applied, ...pending], "applied"));
      expect((await run("up")).stdout).toContain("Nothing to do");
      const files = readdirSync(join(project, "migrations"));
      const rows = await rowsOf(db, ["pgmigrations", "pgmigrations_history"]);
      expect((await importAgain()).stdout).toContain("is recorded already: nothing was changed");
      expect(readdirSync(join(project, "migrations"))).toEqual(files);
      expect(await rowsOf(db, ["pgmigrations", "pgmigrations_history"])).toEqual(rows);
      addFiles(project, { "migrations/99999999999999_more.sql": "CREATE TABLE more (id integer);" });
      expect(await run("up")).toMatchObject({ code: 0, stderr: "" });
    }));
});

import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { diffCatalogs, readCatalog } from "../../lib/review/catalog/index.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { environmentOf, jsonOf, runCommand } from "./command.ts";
import { type Run, statesOf, withHistory } from "./import-history.ts";

const EXPORT = ["import", "--from", "liquibase", "--source", "export"] as const;
const CHANGELOG = "src/main/resources/db/changelog";

const remarksOf = async (run: Run, ...args: string[]): Promise<unknown> =>
  jsonOf(await run(...args, "--dry-run", "--json"))["remarks"];

/** What becomes of a file of SQL. */
async function convert(
  text: string,
): Promise<{ stdout: string; code: number | null; read(name: string): string }> {
  const project = writeFolder({ "sql/changes.sql": `--liquibase formatted sql\n${text}` });
  const { code, stdout } = await runCommand(project, [
    "import",
    "--from",
    "liquibase",
    "--source",
    "sql",
    "--files-only",
  ]);
  return { code, stdout, read: (name) => readFileSync(join(project, "migrations", name), "utf8") };
}

describe("import --from liquibase", () => {
  it("import refuses while Liquibase holds its lock, and names the command that releases a stale one", () =>
    withHistory("liquibase", "complete", async (run, project, db) => {
      await db.query("UPDATE databasechangeloglock SET locked = true");
      const { code, stderr } = await run(...EXPORT);
      expect(code).toBe(1);
      expect(stderr).toContain("Error LOCK_HELD");
      expect(stderr).toContain("liquibase release-locks");
      expect(existsSync(join(project, "migrations"))).toBe(false);
    }));

  it("import refuses changelogs in XML, YAML and JSON, with the commands that write their SQL", () =>
    withHistory("liquibase", "complete", async (run) => {
      const { code, stderr } = await run("import", "--from", "liquibase", "--source", "db/changelog");
      expect(code).toBe(1);
      expect(stderr).toContain("db.changelog-master.xml, last.json, orders.yaml");
      expect(stderr).toContain("liquibase future-rollback-sql, then liquibase update-sql");
    }));

  it("import refuses SQL that Liquibase has written for a certain database, because only what is pending there is in it", () =>
    withHistory("liquibase", "complete", async (run, project) => {
      addFiles(project, {
        "export/up.sql":
          "-- Changeset a.xml::1::ann\nCREATE TABLE a (id int);\n\nINSERT INTO public.databasechangelog (ID) VALUES ('1');\n",
      });
      const { code, stderr } = await run(...EXPORT);
      expect({ code, stderr }).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("offline:postgresql"),
      });
    }));

  it("import says which changeSet was edited after it was applied, if both checksums are of the same kind", () =>
    withHistory("liquibase", "complete", async (run, _project, db) => {
      await db.query("UPDATE databasechangelog SET md5sum = '9:x' WHERE id = 'idx'");
      await db.query("UPDATE databasechangelog SET md5sum = '8:x' WHERE id = 'fn'");
      const edited = "db/changelog/changes/001_function.sql::idx::ann has changed since it was applied";
      expect(await remarksOf(run, ...EXPORT)).toContainEqual(expect.stringContaining(edited));
      expect(JSON.stringify(await remarksOf(run, ...EXPORT))).not.toContain("::fn::");
    }));

  it("import finds the changeSets of rows whose paths begin elsewhere", () =>
    withHistory("liquibase-sql", "complete", async (run, _project, db) => {
      await db.query("UPDATE databasechangelog SET filename = 'classpath:/' || filename WHERE id = '1'");
      await db.query(
        "UPDATE databasechangelog SET filename = 'src/main/resources/' || filename WHERE id = 'email'",
      );
      await db.query(
        "UPDATE databasechangelog SET filename = replace(filename, '/', chr(92)) WHERE id = 'index'",
      );
      expect(await run("import", "--from", "liquibase")).toMatchObject({ code: 0, stderr: "" });
      expect(new Set(Object.values(await statesOf(run)))).toEqual(new Set(["applied"]));
    }));

  it("import tells files of the same name in different folders apart", () =>
    withHistory("liquibase-sql", "complete", async (run, project, db) => {
      await db.query("DELETE FROM databasechangelog WHERE filename NOT LIKE '%001_users.sql'");
      rmSync(join(project, CHANGELOG), { recursive: true });
      const text = "--liquibase formatted sql\n--changeset ann:1\nSELECT 1;\n";
      addFiles(project, { [`${CHANGELOG}/001_users.sql`]: text, [`${CHANGELOG}/v2/001_users.sql`]: text });
      await run("import", "--from", "liquibase");
      expect(await statesOf(run)).toEqual({ "0001_001_users": "applied", "0002_001_users": "pending" });
      await db.query(`TRUNCATE pgmigrations, pgmigrations_history;
        UPDATE databasechangelog SET filename = 'db/changelog/v2/001_users.sql'`);
      await run("import", "--from", "liquibase");
      expect(await statesOf(run)).toEqual({ "0001_001_users": "pending", "0002_001_users": "applied" });
    }));

  it("import refuses an applied changeSet that no file has, except one of a context", () =>
    withHistory("liquibase-sql", "complete", async (run, project, db) => {
      rmSync(join(project, CHANGELOG, "001_users.sql"));
      const missing = await run("import", "--from", "liquibase");
      expect(missing.code).toBe(1);
      expect(missing.stderr).toContain("have no file: db/changelog/001_users.sql::1::ann");
      await db.query("UPDATE databasechangelog SET contexts = 'test' WHERE filename LIKE '%001_users.sql'");
      expect(await run("import", "--from", "liquibase")).toMatchObject({ code: 0, stderr: "" });
    }));

  it("import asks for an export without endDelimiter where Liquibase has written SQL that Postgres cannot read", () =>
    withHistory("liquibase", "complete", async (run, project, db) => {
      addFiles(project, { "export/up.sql": "-- Changeset a.sql::1::ann\nCREATE TABLE a (id int)/\n" });
      await db.query("DELETE FROM databasechangelog");
      const { code, stderr } = await run(...EXPORT);
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("endDelimiter") });
    }));

  it.each([
    ["context:test", "it runs only in the context test"],
    ['contextFilter:"a and b"', "it runs only in the context a and b"],
    ["runWith:psql", "Liquibase runs it with psql"],
  ])("does not convert a changeSet with %s", async (attributes, reason) => {
    const { code, stdout } = await convert(`--changeset ann:1 ${attributes}\nCREATE TABLE a (id int);`);
    expect(code).toBe(3);
    expect(stdout).toContain(reason);
  });

  it.each([
    [`CREATE TABLE \${name} (id int);`, `it has the placeholder \${name}`],
    ["--ignoreLines:1\nfoo\nCREATE TABLE a (id int);", "it has ignoreLines"],
    [
      "CREATE TABLE a (id int);\n--rollback changesetId:0 changesetAuthor:ann",
      "its rollback is another changeSet",
    ],
  ])("does not convert a changeSet with %j", async (body, reason) => {
    const { code, stdout } = await convert(`--changeset ann:1\n${body}`);
    expect(code).toBe(3);
    expect(stdout).toContain(reason);
  });

  it("import keeps the comments of a file, and reads rollbacks of one and of several lines", async () => {
    const { read } = await convert(
      `--changeset ann:1
--comment: two tables
-- The first one.
CREATE TABLE a (id int);
CREATE TABLE b (id int)
--validCheckSum: ANY
--rollback DROP TABLE a;
/* liquibase rollback
DROP TABLE b;
*/
--changeset ann:2 dbms:postgresql,h2 runInTransaction:false
VACUUM a
--rollback empty
--changeset ann:3 dbms:!postgresql
SELECT 3;
--changeset ann:4 ignore:true
SELECT 4;
`,
    );
    expect(read("0001_changes_1.sql")).toBe(
      "-- Up Migration\n-- two tables\n-- The first one.\nCREATE TABLE a (id int);\nCREATE TABLE b (id int)\n\n-- Down Migration\nDROP TABLE a;\nDROP TABLE b;\n",
    );
    expect(read("0002_changes_2.sql")).toBe(
      "-- Up Migration\n-- migrate: no-transaction\nVACUUM a\n\n-- Down Migration\n-- migrate: no-transaction\n-- Its rollback in Liquibase was empty.\n",
    );
    expect(() => read("0003_changes_3.sql")).toThrow("no such file");
  });

  it.each([
    ["endDelimiter:/", "SELECT 1\n/\nSELECT 2 /", "SELECT 1;\nSELECT 2;"],
    ["endDelimiter:GO", "SELECT 1\ngo\nSELECT 2\nGO", "SELECT 1;\nSELECT 2;"],
    ["endDelimiter:\\n/", "/* kept */\nSELECT 1;\n/", "/* kept */\nSELECT 1;"],
    ["", "SELECT 1\n/", "SELECT 1;"],
    ["endDelimiter:;", "SELECT 1;", "SELECT 1;"],
  ])("ends statements with semicolons in place of %j", async (attributes, body, sql) => {
    const { read } = await convert(`--changeset ann:1 ${attributes}\n${body}\n`);
    expect(read("0001_changes.sql").split("-- Up Migration\n")[1]).toBe(`${sql}\n`);
  });
});

describe("import --from rails", () => {
  const RAILS = ["import", "--from", "rails"] as const;
  const TABLES = ["schema_migrations", "ar_internal_metadata"].map((name) => ({ schema: "public", name }));

  it("import refuses Ruby code, says which of it runs outside a transaction, and offers a baseline", () =>
    withHistory("rails", "database", async (run) => {
      const { code, stderr } = await run(...RAILS);
      expect(code).toBe(1);
      expect(stderr).toContain(
        "001_create_users.rb: it is Ruby code (write it by hand as 001_create_users.sql",
      );
      expect(stderr).toContain(
        "20240102000000_add_index.rb: it is Ruby code that runs outside a transaction",
      );
      expect(stderr).toContain("--baseline");
    }));

  it("import refuses a baseline while a migration is pending that nobody has written as SQL", () =>
    withHistory("rails", "database", async (run, project) => {
      const { code, stderr } = await run(...RAILS, "--baseline");
      expect(code).toBe(1);
      expect(stderr).toContain("1 migration of Rails cannot be converted");
      expect(stderr).toContain("20240104000000_create_notes.rb");
      expect(existsSync(join(project, "migrations"))).toBe(false);
    }));

  it("import replaces what is applied with a baseline, and runs what was pending and is written by hand", () =>
    withHistory("rails", "database", async (run, project, db) => {
      const before = await db.query("SELECT * FROM schema_migrations ORDER BY version");
      addFiles(project, { "migrations/20240104000000_create_notes.sql": "CREATE TABLE notes (id integer);" });
      expect(await run(...RAILS, "--baseline")).toMatchObject({ code: 0, stderr: "" });
      expect(await statesOf(run)).toEqual({
        "20240103000000_baseline-from-rails": "applied",
        "20240104000000_create_notes": "pending",
      });
      expect(await run("up")).toMatchObject({ code: 0, stderr: "" });
      expect(await db.query("SELECT * FROM schema_migrations ORDER BY version")).toEqual(before);
      await withHistory("rails", "complete", async (_run, _project, complete) => {
        await withDatabase(async (fresh) => {
          expect((await runCommand(project, ["up"], environmentOf(fresh.connection))).code).toBe(0);
          const catalogs = await Promise.all(
            [complete, fresh, db].map(async (one) =>
              readCatalog(await one.client(), { exclude: { others: one === fresh ? [] : TABLES } }),
            ),
          );
          const [ofRails, ofFresh, here] = catalogs;
          if (!ofRails || !ofFresh || !here) throw new Error("no catalog");
          expect(diffCatalogs(ofRails, ofFresh)).toBe("");
          expect(diffCatalogs(ofRails, here)).toBe("");
        });
      });
    }));

  it("import takes a baseline also where old migrations have no file any more", () =>
    withHistory("rails", "complete", async (run, project) => {
      rmSync(join(project, "db/migrate/001_create_users.rb"));
      expect(await run(...RAILS, "--baseline")).toMatchObject({ code: 0, stderr: "" });
      expect(await statesOf(run)).toEqual({ "20240104000000_baseline-from-rails": "applied" });
      expect((await run("up")).stdout).toContain("Nothing to do");
    }));
});

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "@jest/globals";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { HISTORIES, recordDatabase } from "./histories.ts";

// The recorded histories are what the real tools make, where npm and Debian have these.
// UPDATE_HISTORIES=1 records them anew.

const run = promisify(execFile);

/** Compares a file of the histories with what a tool has made now. */
function expectRecorded(file: string, text: string): void {
  const path = join(HISTORIES, file);
  if (process.env["UPDATE_HISTORIES"] === "1") {
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
  }
  expect(readFileSync(path, "utf8")).toBe(text);
}

async function isInstalled(program: string, ...args: string[]): Promise<boolean> {
  return run(program, args).then(
    () => true,
    () => false,
  );
}

const hasJava = await isInstalled("java", "-version");
const hasActiveRecord = await isInstalled("ruby", "-e", 'require "active_record"; require "pg"');

const VERSION = "4.28.1";
const home = writeFolder({ "package.json": "{}" });
// Concurrent tests do not wait for a beforeAll.
if (hasJava)
  await run(
    "npm",
    ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", `liquibase@${VERSION}`],
    {
      cwd: home,
    },
  );

(hasJava ? describe : describe.skip)("Liquibase", () => {
  const jars = join(home, "node_modules/liquibase/dist/liquibase/internal/lib");
  // The packages of other databases, and the commercial ones, are left out.
  const JARS = /^(?:commons-.*|jaxb-.*|liquibase-core|opencsv|picocli|postgresql|snakeyaml)\.jar$/;

  const liquibase = (cwd: string, ...args: string[]) => {
    const classpath = readdirSync(jars)
      .filter((file) => JARS.test(file))
      .map((file) => join(jars, file));
    const main = "liquibase.integration.commandline.LiquibaseCommandLine";
    const quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
    return run("java", [...quick, "-cp", classpath.join(":"), main, "--log-level=off", ...args], { cwd });
  };

  // The driver refuses the few iterations of the password that tests are fast with.
  const addressOf = async (db: TestDatabase): Promise<string[]> => {
    const login = `${db.name}_java`;
    await db.query(
      `SELECT set_config(name, '4096', false) FROM pg_settings WHERE name = 'scram_iterations';
       CREATE ROLE ${login} SUPERUSER LOGIN PASSWORD 'java'`,
    );
    const { host, port, user } = db.connection;
    const url = `jdbc:postgresql://${host}:${port}/${db.name}?options=-c%20role%3D${user}`;
    return [`--url=${url}`, `--username=${login}`, "--password=java"];
  };

  const TABLES = ["public.databasechangelog", "public.databasechangeloglock"];

  /** Applies all but the last changeSet, then that. */
  const record = (history: string, cwd: string, changelog: string[], count: number) =>
    withDatabase(async (db) => {
      const args = [...changelog, "--contexts=prod", ...(await addressOf(db))];
      const made = `Liquibase ${VERSION}: update`;
      await liquibase(cwd, "update-count", `--count=${count}`, ...args);
      expectRecorded(`${history}/database.sql`, await recordDatabase(db, `${made}-count ${count}`, TABLES));
      await liquibase(cwd, "update", ...args);
      expectRecorded(`${history}/complete.sql`, await recordDatabase(db, made, TABLES));
      await db.query(`DROP ROLE ${db.name}_java`);
    });

  it.concurrent("makes the recorded history of changelogs in XML, YAML, JSON and SQL", async () => {
    await record(
      "liquibase",
      join(HISTORIES, "liquibase/project"),
      ["--changelog-file=db/changelog/db.changelog-master.xml"],
      9,
    );
  });

  it.concurrent("writes the recorded SQL of those changelogs", async () => {
    const project = writeFolder({});
    cpSync(join(HISTORIES, "liquibase/project/db"), join(project, "db"), { recursive: true });
    mkdirSync(join(project, "export"));
    const write = (command: string, file: string) =>
      liquibase(
        project,
        command,
        "--changelog-file=db/changelog/db.changelog-master.xml",
        "--contexts=prod",
        "--url=offline:postgresql?changeLogFile=export/records.csv",
        `--output-file=export/${file}`,
      );
    await write("future-rollback-sql", "down.sql");
    await write("update-sql", "up.sql");
    for (const file of readdirSync(join(project, "export")))
      expectRecorded(
        `liquibase/project/export/${file}`,
        readFileSync(join(project, "export", file), "utf8")
          .replace(/^-- Ran at: .*$/m, "-- Ran at: 1/1/26, 12:00 AM")
          .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+"/g, '"2026-01-01T00:00:00"')
          .replaceAll(/"\d{10}"$/gm, '"1"'),
      );
  });

  it.concurrent("makes the recorded history of changelogs in SQL alone", async () => {
    const project = join(HISTORIES, "liquibase-sql/project/src/main/resources");
    const root = writeFolder({});
    cpSync(project, root, { recursive: true });
    addFiles(root, { "root.yaml": "databaseChangeLog:\n  - includeAll: { path: db/changelog }\n" });
    await record("liquibase-sql", root, ["--changelog-file=root.yaml"], 8);
  });
});

(hasActiveRecord ? describe : describe.skip)("Rails", () => {
  it("makes the recorded history", () =>
    withDatabase(async (db) => {
      const { host, port, user, password } = db.connection;
      const url = `postgres://${user}:${password}@${host}:${port}/${db.name}`;
      const migrate = async (target: string) => {
        const code = `require "active_record"
          ActiveRecord::Base.establish_connection(ENV.fetch("DATABASE_URL"))
          ActiveRecord::MigrationContext.new("db/migrate", ActiveRecord::SchemaMigration).migrate(${target})`;
        await run("ruby", ["-e", code], {
          cwd: join(HISTORIES, "rails/project"),
          env: { ...process.env, DATABASE_URL: url },
        });
      };
      const tables = ["public.schema_migrations", "public.ar_internal_metadata"];
      const made = "Active Record 6.1: db:migrate";
      await migrate("20240103000000");
      expectRecorded(
        "rails/database.sql",
        await recordDatabase(db, `${made} VERSION=20240103000000`, tables),
      );
      await migrate("nil");
      expectRecorded("rails/complete.sql", await recordDatabase(db, made, tables));
    }));
});

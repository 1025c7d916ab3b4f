import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import pg from "pg";
import { renderVerify } from "../../lib/cli/commands/verify.ts";
import type { ConnectionSettings } from "../../lib/postgres/index.ts";
import { scratchOn, shadowAt, type VerifiedMigration } from "../../lib/review/verify/index.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { writeFolder } from "../support/folders.ts";
import { failureOf } from "../support/migrator.ts";
import { CORPUS } from "./catalog-corpus.ts";
import { existing, folderOf, recording, statuses, verify } from "./verify-run.ts";

const PROJECT = fileURLToPath(new URL("../../migrations", import.meta.url));
const connectionOf = ({ connection: { host, port, user, password } }: TestDatabase) => ({
  host,
  port,
  user,
  password,
});

describe("verify", () => {
  test("verify accepts this project's migrations", () =>
    withDatabase(async (db) => {
      const report = await verify(db, PROJECT);
      expect(report.ok).toBe(true);
    }));

  test("verify checks no-transaction, dynamic and pair migrations", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.up.sql": "CREATE TABLE a (id int)",
        "1_a.down.sql": "DROP TABLE a",
        "2_index.sql":
          "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n-- Down Migration\nDROP INDEX CONCURRENTLY a_id;",
        "3_dynamic.js": `
          export async function up(pgm) {
            const rows = await pgm.db.select("SELECT 'made_' || count(*) AS name FROM pg_class WHERE relname = 'a'");
            pgm.createTable(rows[0].name, { id: "id" });
          }
          export const down = (pgm) => pgm.dropTable("made_1");`,
        "4_inferred.js": 'export const up = (pgm) => pgm.createTable("inferred", { id: "id" });',
        "5_left.sql":
          "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY a_two ON a (id, id);\n-- Down Migration\nSELECT 1;",
      });
      expect(statuses(await verify(db, dir))).toEqual([
        "1_a reversible",
        "2_index reversible",
        "3_dynamic reversible",
        "4_inferred reversible",
        "5_left failed",
      ]);
    }));

  test("an error about what exists already has the hint of a scratch database, where nothing is made by hand", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_left.sql": "CREATE TABLE a ();\nCREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;",
        "2_again.sql": "CREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;",
      });
      const { migrations } = await verify(db, dir);
      expect(migrations.map(({ error }) => [error?.step, error?.hint])).toEqual([
        [
          "up again",
          "The first up succeeded: correct the down, which has not led back to the state before it.",
        ],
        ["up", "A migration before this one, or the template of new databases, has made it already."],
      ]);
    }));

  test("verify fails for an irreversible migration without a reason", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_module.js":
          'export const irreversible = "the letters are sent";\nexport const up = (pgm) => pgm.createTable("a", { id: "id" });\nexport const down = false;',
        "2_sql.sql": "-- irreversible: data is gone  \r\nCREATE TABLE b ();",
        "3_pair.up.sql": "-- irreversible: a pair of one\nCREATE TABLE c ();",
        "4_bare.js":
          'export const up = (pgm) => pgm.createTable("d", { id: "id" });\nexport const down = false;',
        "5_bare.sql": "-- irreversible:\nCREATE TABLE e ();",
        "6_fine.sql": "CREATE TABLE f ();\n-- Down Migration\nDROP TABLE f;",
      });
      const report = await verify(db, dir);
      expect(
        report.migrations.map(({ name, status, reason, error }) => [name, status, reason ?? error?.code]),
      ).toEqual([
        ["1_module", "irreversible", "the letters are sent"],
        ["2_sql", "irreversible", "data is gone"],
        ["3_pair", "irreversible", "a pair of one"],
        ["4_bare", "irreversible", "its file says down = false"],
        ["5_bare", "failed", "IRREVERSIBLE"],
        ["6_fine", "reversible", undefined],
      ]);
      expect(report.migrations[4]?.error?.hint).toContain("export const irreversible");
    }));

  test("verify continues after a failed down and stops after a failed up", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_left.sql": "CREATE TABLE a (id int);\n-- Down Migration\nSELECT 1;",
        "2_broken_down.sql": "CREATE TABLE b (id int);\n-- Down Migration\nDROP TABLE nobody;",
        "3_half_down.sql":
          "-- migrate: no-transaction\nCREATE TABLE c (id int);\n-- Down Migration\nDROP TABLE c; DROP TABLE nobody;",
        "4_fine.sql":
          "CREATE VIEW d AS SELECT * FROM a, b, c AS c (n);\n-- Down Migration\nDROP VIEW d;".replace(
            "SELECT * FROM a, b, c AS c (n)",
            "SELECT a.id FROM a, b, c",
          ),
        "5_other_the_second_time.sql":
          "CREATE TABLE IF NOT EXISTS e (id int);\n-- Down Migration\nALTER TABLE e RENAME COLUMN id TO old;",
        "6_broken_up.sql": "CREATE TABLE a ();",
        "7_after.sql": "CREATE TABLE g ();",
      });
      const report = await verify(db, dir);
      expect(report.migrations.map(({ name, status, error }) => [name, status, error?.step])).toEqual([
        ["1_left", "failed", "up again"],
        ["2_broken_down", "failed", "down"],
        ["3_half_down", "failed", "down"],
        ["4_fine", "reversible", undefined],
        ["5_other_the_second_time", "failed", undefined],
        ["6_broken_up", "failed", "up"],
        ["7_after", "unchecked", undefined],
      ]);
      expect(report.migrations[4]?.diff).toContain("After down and up again, unlike after the first up:");
      const lines = renderVerify(report);
      expect(lines.join("\n")).toContain(
        "FAILED 1_left\n  After down, unlike before up:\n  + table public.a\n      CREATE TABLE public.a (",
      );
      expect(lines.at(-1)).toMatch(/^7 migrations, 1 can be undone, 5 failed, 1 not reached \(.+\)\.$/);
    }));

  test("verify reports its progress and drops its scratch databases", () =>
    withDatabase(async (db) => {
      const made: string[] = [];
      const seen: [string, number, number][] = [];
      await verify(
        db,
        folderOf(CORPUS.slice(0, 2), ({ wrong }) => wrong.down),
        {
          scratch: recording(scratchOn(db.connection), made),
          onProgress: ({ name }: VerifiedMigration, done, total) => void seen.push([name, done, total]),
        },
      );
      expect(seen.map(([, done, total]) => `${done}/${total}`)).toEqual(["1/2", "2/2"]);
      expect(made.length).toBeGreaterThan(1);
      expect(await existing(db, made)).toEqual([]);
    }));

  test("verify with --keep keeps the scratch database", () =>
    withDatabase(async (db) => {
      const scratch = scratchOn(db.connection);
      const { kept } = await verify(db, PROJECT, { keep: true, scratch });
      const name = kept?.database ?? "";
      expect(await existing(db, [name])).toEqual([name]);
      await db.query(`DROP DATABASE ${name}`);
    }));

  test("verify works with other names of schemas and tables", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "CREATE TABLE a (id serial);\n-- Down Migration\nDROP TABLE a;" });
      const options = { schema: ["app", "public"], migrationsSchema: "Ours", migrationsTable: "done" };
      expect((await verify(db, dir, { options })).migrations).toEqual([
        { name: "1_a", status: "reversible" },
      ]);
    }));

  test("verify ignores the engine's tables in the first schema", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ "1_a.sql": "CREATE TABLE a (id serial);\n-- Down Migration\nDROP TABLE a;" });
      const report = await verify(db, dir, { options: { schema: ["app", "public"] } });
      expect(report.migrations).toEqual([{ name: "1_a", status: "reversible" }]);
    }));

  test("verify accepts another order of columns after a down and mentions it", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql":
          "CREATE TABLE a (one int, two text DEFAULT 'x' NOT NULL, three int); COMMENT ON COLUMN a.two IS 'second'; GRANT SELECT (two), UPDATE (three) ON a TO PUBLIC;\n-- Down Migration\nDROP TABLE a;",
        "2_right.sql":
          "ALTER TABLE a DROP COLUMN two;\n-- Down Migration\nALTER TABLE a ADD COLUMN two text DEFAULT 'x' NOT NULL; COMMENT ON COLUMN a.two IS 'second'; GRANT SELECT (two) ON a TO PUBLIC;",
        "3_wrong.sql":
          "ALTER TABLE a DROP COLUMN one;\n-- Down Migration\nALTER TABLE a ADD COLUMN one bigint;",
      });
      const report = await verify(db, dir);
      expect(statuses(report)).toEqual(["1_a reversible", "2_right reversible", "3_wrong failed"]);
      expect(report.migrations[1]?.note).toContain("public.a");
      expect(report.migrations[2]?.diff).toContain("-   one integer");
      expect(report.migrations[2]?.diff).not.toMatch(/[-+] +three/);
      expect(renderVerify(report).join("\n")).toContain(
        "2_right: the columns of public.a have another order than before",
      );
    }));

  test("verify reports an empty down of a migration that changes rows as `empty-down`", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        "1_a.sql": "CREATE TABLE a (n int);\n-- Down Migration\nDROP TABLE a;",
        "2_rows.js":
          'export const up = (pgm) => pgm.sql("INSERT INTO a VALUES (1)");\nexport const down = () => {};',
        "3_rows.sql": "UPDATE a SET n = 2;\n-- Down Migration\n-- nothing to undo\n",
        "4_asks.js":
          'export const up = async (pgm) => { await pgm.db.query("INSERT INTO a VALUES (3)"); };\nexport const down = () => {};',
        "5_undone.sql": "INSERT INTO a VALUES (9);\n-- Down Migration\nDELETE FROM a WHERE n = 9;",
      });
      const report = await verify(db, dir);
      expect(statuses(report)).toEqual([
        "1_a reversible",
        "2_rows empty-down",
        "3_rows empty-down",
        "4_asks empty-down",
        "5_undone reversible",
      ]);
      expect(renderVerify(report).join("\n")).toContain("2_rows: its down does nothing");
    }));

  test("a user who may not create databases gets a hint", () =>
    withDatabase(async (db) => {
      const user = `plain_${db.name}`;
      await db.query(`CREATE ROLE ${user} LOGIN PASSWORD 'plain'`);
      try {
        const scratch = scratchOn({ ...db.connection, user, password: "plain" });
        const error = await failureOf(verify(db, PROJECT, { scratch }));
        expect(error).toMatchObject({
          code: "SCRATCH_DATABASE",
          message: expect.stringContaining(`${user} may not create`),
        });
        expect(error.details.hint).toContain("SHADOW_DATABASE_URL");
      } finally {
        await db.query(`DROP ROLE ${user}`);
      }
    }));

  test("verify drops abandoned scratch databases and no others", () =>
    withDatabase(async (db) => {
      const [{ now = 0 } = {}] = await db.query<{ now: number }>(
        "SELECT extract(epoch FROM now())::int AS now",
      );
      const id = db.name.slice(-11);
      const name = (n: number) => `cdk_pg_migrate_scratch_${n}${id}`;
      const made = (seconds: number) => `scratch database of cdk-pg-migrate verify, made at ${now - seconds}`;
      const comments = [
        made(700),
        made(700),
        made(5),
        "kept by verify --keep of cdk-pg-migrate",
        made(1),
        "mine",
      ];
      for (const [n, comment] of comments.entries()) {
        await db.query(`CREATE DATABASE ${name(n)}`);
        await db.query(`COMMENT ON DATABASE ${name(n)} IS '${comment}'`);
      }
      const other = new pg.Client({ ...connectionOf(db), database: name(1) });
      await other.connect();
      await verify(db, writeFolder({ "1_a.sql": "CREATE TABLE a ();\n-- Down Migration\nDROP TABLE a;" }));
      await other.end();
      const left = await existing(
        db,
        comments.map((_, n) => name(n)),
      );
      for (const one of left) await db.query(`DROP DATABASE ${one} WITH (FORCE)`);
      expect(left.sort()).toEqual([1, 2, 3, 4, 5].map(name));
    }));

  test("an error of the shadow database names SHADOW_DATABASE_URL", () =>
    withDatabase(async (db) => {
      const missing = shadowAt({ ...db.connection, database: "nobody_has_it" });
      const error = await failureOf(verify(db, PROJECT, { scratch: missing }));
      expect(error.code).toBe("DATABASE_NOT_FOUND");
      expect(error.message).toMatch(/^the shadow database: /);
      expect(error.details.hint).toMatch(/SHADOW_DATABASE_URL names nobody_has_it/);
      expect(error.details.hint).not.toMatch(/(?<!SHADOW_)DATABASE_/);
      await db.query("CREATE TABLE zz (id int PRIMARY KEY CHECK (id > 0) REFERENCES zz)");
      const full = await failureOf(verify(db, PROJECT, { scratch: shadowAt(db.connection) }));
      expect(full.message).toContain("is not empty: it has table public.zz,");
    }));

  test("verify reports connection failures with the codes of the engine", () =>
    withDatabase(async (db) => {
      const scratch = scratchOn({ ...db.connection, password: "wrong" });
      expect((await failureOf(verify(db, PROJECT, { scratch }))).code).toBe("AUTH");
      const closed: ConnectionSettings = { ...db.connection, port: 1 };
      expect((await failureOf(verify(db, PROJECT, { scratch: scratchOn(closed) }))).code).toBe("CONNECTION");
    }));

  test("a cancelled verify leaves no scratch database", () =>
    withDatabase(async (db) => {
      const made: string[] = [];
      const abort = new AbortController();
      const work = verify(
        db,
        folderOf(CORPUS, ({ down }) => down),
        {
          scratch: recording(scratchOn(db.connection), made),
          signal: abort.signal,
          onProgress: (_, done) => {
            if (done === 3) abort.abort();
          },
        },
      );
      expect((await failureOf(work)).code).toBe("CANCELLED");
      expect(await existing(db, made)).toEqual([]);
    }));
});

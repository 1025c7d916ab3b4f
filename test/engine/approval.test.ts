import { describe, expect, it } from "@jest/globals";
import type { ApprovedPlan, PlanReport } from "../../lib/core/index.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles, removeFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator, userTables } from "../support/migrator.ts";

const table = (name: string) => `CREATE TABLE ${name} (id int);\n-- Down Migration\nDROP TABLE ${name};`;
const TWO = { "1_a.sql": table("a"), "2_b.sql": table("b") };

/** A plan as a person has approved it. */
function approvedOf(report: PlanReport, extent: Pick<ApprovedPlan, "to"> = {}): ApprovedPlan {
  const { action, digest, head, schema, steps } = report;
  if (digest === null) throw new Error("the plan would be refused");
  return { action, digest, head, schema, steps, ...extent };
}

function digestOf({ digest }: PlanReport): string {
  return digest ?? "the plan would be refused";
}

describe("a run with an approved plan", () => {
  it("an up runs the plan of that digest, and does nothing when it is asked again", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(TWO));
      const plan = await migrator.planUp();
      for (const approved of [digestOf(plan), approvedOf(plan)]) {
        const report = await migrator.up({ approved });
        expect(report).toMatchObject({ head: "2_b", pending: [] });
      }
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));

  it("an up does what an interrupted run has left of the plan of that digest, and nothing else", () =>
    withDatabase(async (db) => {
      const files = { ...TWO, "3_c.sql": "CREATE TABLE c (id not_made_yet);", "4_d.sql": table("d") };
      const dir = writeFolder(files);
      const approved = digestOf(await (await openMigrator(db, dir)).planUp());
      expect(await failureOf((await openMigrator(db, dir)).up({ approved }))).toMatchObject({ code: "SQL" });
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
      await db.query("CREATE DOMAIN not_made_yet AS int");
      for (const other of [{ "4_d.sql": table("other") }, { "5_e.sql": table("e") }]) {
        const changed = await openMigrator(db, writeFolder({ ...files, ...other }));
        expect(await failureOf(changed.up({ approved }))).toMatchObject({ code: "PLAN_DIFFERS" });
      }
      expect(await (await openMigrator(db, dir)).up({ approved })).toMatchObject({
        head: "4_d",
        pending: [],
      });
    }));

  it("an up runs as far as the plan goes, and no further", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder({ ...TWO, "3_c.sql": table("c") }));
      const approved = approvedOf(await migrator.planUp({ count: 2 }), { to: "2_b" });
      expect(await migrator.up({ approved })).toMatchObject({ head: "2_b", pending: ["3_c"] });
      expect(await migrator.up({ approved })).toMatchObject({ completed: [], pending: ["3_c"] });
    }));

  it("a down and a redo run the plans of their digests", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(TWO));
      await migrator.up();
      const redo = await migrator.planRedo({ count: 2 });
      expect(redo.steps.map(({ migration, direction }) => `${direction} ${migration}`)).toEqual([
        "down 2_b",
        "down 1_a",
        "up 1_a",
        "up 2_b",
      ]);
      await migrator.redo({ count: 2, approved: digestOf(redo) });
      await migrator.redo({ approved: approvedOf(redo) });
      const down = await migrator.planDown({ count: 2 });
      expect(await failureOf(migrator.down({ approved: digestOf(down) }))).toMatchObject({
        code: "PLAN_DIFFERS",
        message: expect.stringContaining("is another one than down of 2_b, from the head 2_b"),
      });
      await migrator.down({ approved: approvedOf(down) });
      expect(await appliedNames(db)).toEqual([]);
      expect(await migrator.down({ approved: approvedOf(down) })).toMatchObject({ completed: [] });
    }));

  it("the digest does not depend on the database, and not on the secrets in the SQL", () =>
    withDatabase((one) =>
      withDatabase(async (other) => {
        const role = (password: string) =>
          writeFolder({
            "1_a.sql": `DO $$ BEGIN EXECUTE $s$ALTER ROLE x PASSWORD '${password}'$s$; END $$;`,
          });
        const plan = await (await openMigrator(one, role("first"))).planUp();
        expect(digestOf(await (await openMigrator(other, role("second"))).planUp())).toBe(digestOf(plan));
        const more = writeFolder({ "1_a.sql": "ALTER ROLE x SUPERUSER PASSWORD 'first';" });
        expect(digestOf(await (await openMigrator(one, more)).planUp())).not.toBe(digestOf(plan));
      }),
    ));

  it("a plan that would be refused has no digest", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { "1_a.sql": table("a2"), "3_c.sql": table("c") });
      expect(await (await openMigrator(db, dir)).planUp()).toMatchObject({ digest: null });
    }));
});

describe("a run that differs from its approved plan is refused before anything runs", () => {
  const MODULE = (name: string) =>
    `export async function up(pgm) { await pgm.db.query("SELECT 1"); pgm.sql("CREATE TABLE ${name} ()"); }`;

  it.each<[what: string, before: Record<string, string>, after: Record<string, string>, says: string]>([
    ["a migration was added", {}, { "3_c.sql": table("c") }, "3_c was not in it"],
    ["an older migration was added", {}, { "1_0.sql": table("c") }, "1_0 was not in it"],
    ["the SQL has changed", {}, { "2_b.sql": table("other") }, "2_b has changed"],
    [
      "it runs outside a transaction now",
      {},
      { "2_b.sql": `-- migrate: no-transaction\n${table("b")}` },
      "2_b has changed",
    ],
    [
      "the file of a dynamic migration has changed",
      { "3_c.mjs": MODULE("c") },
      { "3_c.mjs": MODULE("other") },
      "3_c has changed",
    ],
  ])("an up is refused when %s", (_what, before, after, says) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...TWO, ...before });
      const plan = await (await openMigrator(db, dir)).planUp();
      addFiles(dir, after);
      const migrator = await openMigrator(db, dir);
      for (const approved of [digestOf(plan), approvedOf(plan)]) {
        const failure = await failureOf(migrator.up({ approved }));
        expect(failure).toMatchObject({ code: "PLAN_DIFFERS" });
        if (typeof approved === "object") expect(failure.message).toContain(says);
      }
      expect(await userTables(db)).toEqual([]);
    }),
  );

  it("an up is refused with the SQL before and after, and a comment or white space is no change", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      const approved = approvedOf(await (await openMigrator(db, dir)).planUp());
      addFiles(dir, { "1_a.sql": `-- why\n${table("a")}`, "2_b.sql": "CREATE TABLE other ();" });
      expect((await failureOf((await openMigrator(db, dir)).up({ approved }))).details.changes).toEqual([
        { migration: "2_b", before: ["CREATE TABLE b (id int);"], after: ["CREATE TABLE other ();"] },
      ]);
    }));

  it("an up is refused when a migration of the plan has no file here, also when nothing is pending", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      const approved = approvedOf(await (await openMigrator(db, dir)).planUp());
      removeFiles(dir, "2_b.sql");
      const says = { code: "PLAN_DIFFERS", message: expect.stringContaining("2_b is not pending here") };
      expect(await failureOf((await openMigrator(db, dir)).up({ approved }))).toMatchObject(says);
      await (await openMigrator(db, dir)).up();
      expect(await failureOf((await openMigrator(db, dir)).up({ approved }))).toMatchObject(says);
    }));

  it("an up is refused on another head, and on another search path", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      const approved = approvedOf(await (await openMigrator(db, dir)).planUp());
      await db.query("CREATE SCHEMA app");
      expect(
        await failureOf((await openMigrator(db, dir, { schema: ["app"] })).up({ approved })),
      ).toMatchObject({
        message: expect.stringContaining("it was for the search path public, which is app here"),
      });
      await (await openMigrator(db, writeFolder({ "9_z.sql": table("z") }))).up();
      const failure = await failureOf((await openMigrator(db, dir, { order: "allow" })).up({ approved }));
      expect(failure.message).toBe(
        "this is not the plan that was approved: it was for the head none, which is 9_z here",
      );
    }));

  it("a down is refused when more was applied since", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(TWO);
      await (await openMigrator(db, dir)).up();
      const approved = approvedOf(await (await openMigrator(db, dir)).planDown());
      addFiles(dir, { "3_c.sql": table("c") });
      const migrator = await openMigrator(db, dir);
      await migrator.up();
      expect((await failureOf(migrator.down({ approved }))).message).toContain("3_c was not in it");
      expect(await appliedNames(db)).toEqual(["1_a", "2_b", "3_c"]);
    }));

  it("a plan of up approves no down", () =>
    withDatabase(async (db) => {
      const migrator = await openMigrator(db, writeFolder(TWO));
      const approved = approvedOf(await migrator.planUp());
      await migrator.up();
      expect((await failureOf(migrator.down({ approved }))).message).toContain("a plan of up, not of down");
      expect(await appliedNames(db)).toEqual(["1_a", "2_b"]);
    }));
});

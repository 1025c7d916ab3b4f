import { describe, expect, it } from "@jest/globals";
import { type ApprovedPlan, baselineHeader, type PlanReport } from "../../lib/core/index.ts";
import type { DeployKnowledge, Migrator } from "../../lib/engine/index.ts";
import { until } from "../faults/until.ts";
import { type TestDatabase, withDatabase } from "../support/database.ts";
import { addFiles, writeFolder } from "../support/folders.ts";
import { appliedNames, failureOf, openMigrator } from "../support/migrator.ts";

const EXPAND = { "2_expand.sql": "ALTER TABLE a ADD COLUMN new int;" };
const CONTRACT = {
  "3_contract.sql":
    "-- migrate: contract after 2_expand\nALTER TABLE a DROP COLUMN old;\n-- Down Migration\nALTER TABLE a ADD COLUMN old int;",
};
const BEFORE = { "1_a.sql": "CREATE TABLE a (old int);" };

const tool = "cdk-pg-migrate test";

/** A deploy of a release, and the release that the stack had before; undefined for a stack that is made. */
function deployOf(
  db: TestDatabase,
  dir: string,
  bundle: string,
  previous: Partial<NonNullable<DeployKnowledge["previous"]>> | undefined,
): Promise<Migrator> {
  const known = { release: "none", revision: undefined, contracts: [], ...previous };
  return openMigrator(
    db,
    dir,
    {},
    {
      provenance: { actor: "stack/migrations", origin: "deploy", bundle, tool },
      deploy: { previous: previous === undefined ? undefined : known },
    },
  );
}

const HAS_IT = { contracts: ["3_contract"] };

/** A database of which release R0 was deployed, with a folder that has an expand and its contract. */
async function withDeployed(work: (db: TestDatabase, dir: string) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    const dir = writeFolder(BEFORE);
    await (await deployOf(db, dir, "R0", undefined)).up();
    addFiles(dir, { ...EXPAND, ...CONTRACT });
    await work(db, dir);
  });
}

describe("a contract in deploys", () => {
  it("a contract waits in the release that expands and in the next deploy, and runs in the one after that [G48]", () =>
    withDeployed(async (db, dir) => {
      const first = await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      expect(first.completed.map(({ migration }) => migration)).toEqual(["2_expand"]);
      expect(first).toMatchObject({ pending: ["3_contract"], counts: { pending: 1 } });
      expect(first.waiting).toEqual([
        {
          migration: "3_contract",
          waitsFor: expect.objectContaining({ after: "2_expand", reason: "same-release" }),
        },
      ]);
      const second = await (await deployOf(db, dir, "R2", { release: "R1", ...HAS_IT })).up();
      expect(second).toMatchObject({ run: null, completed: [], head: "2_expand" });
      expect(second.waiting[0]?.waitsFor).toMatchObject({
        reason: "same-release",
        release: "R1",
        revision: null,
      });
      const third = await (await deployOf(db, dir, "R3", { release: "R2", ...HAS_IT })).up();
      expect(third.completed.map(({ migration }) => migration)).toEqual(["3_contract"]);
      expect(third).toMatchObject({ pending: [], waiting: [] });
    }));

  it("a contract waits once more where the previous release lacks it, and in a rollback", () =>
    withDeployed(async (db, dir) => {
      await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      for (const previous of [{ release: "R2" }, undefined]) {
        const { waiting } = await (await deployOf(db, dir, "R3", previous)).up();
        expect(waiting.map(({ waitsFor }) => waitsFor.reason)).toEqual(["new-contract"]);
      }
    }));

  it("a contract runs in the first deploy of an empty database", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...BEFORE, ...EXPAND, ...CONTRACT });
      await (await deployOf(db, dir, "R1", undefined)).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_expand", "3_contract"]);
    }));

  it("a contract waits in the first deploy of a database that had tables before", () =>
    withDatabase(async (db) => {
      const dir = writeFolder(BEFORE);
      await (await openMigrator(db, dir)).up();
      addFiles(dir, { ...EXPAND, ...CONTRACT });
      await (await deployOf(db, dir, "R1", undefined)).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_expand"]);
    }));

  it("migrations after a contract that waits run, and are no reason to refuse it later", () =>
    withDeployed(async (db, dir) => {
      addFiles(dir, { "4_d.sql": "CREATE TABLE d ();" });
      await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_expand", "4_d"]);
      const status = await (await openMigrator(db, dir)).status();
      expect(status).toMatchObject({ refusals: [], warnings: [], head: "4_d" });
      await (await deployOf(db, dir, "R3", { release: "R2", ...HAS_IT })).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_expand", "4_d", "3_contract"]);
    }));

  it("a contract after a contract waits for it", () =>
    withDeployed(async (db, dir) => {
      addFiles(dir, {
        "4_next.ts":
          'export const contractAfter = "3_contract"; export const up = (pgm) => pgm.sql("SELECT 4"); export const down = false;',
      });
      await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      const both = { contracts: ["3_contract", "4_next"] };
      const third = await (await deployOf(db, dir, "R3", { release: "R2", ...both })).up();
      expect(third.completed.map(({ migration }) => migration)).toEqual(["3_contract"]);
      expect(third.waiting).toMatchObject([{ migration: "4_next", waitsFor: { reason: "same-release" } }]);
      await (await deployOf(db, dir, "R5", { release: "R4", ...both })).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_expand", "3_contract", "4_next"]);
    }));

  it("a contract whose SQL fails stays pending, and the next deploy runs it", () =>
    withDeployed(async (db, dir) => {
      await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      await db.query("CREATE VIEW v AS SELECT old FROM a");
      const third = await deployOf(db, dir, "R3", { release: "R2", ...HAS_IT });
      expect((await failureOf(third.up())).code).toBe("SQL");
      await db.query("DROP VIEW v");
      await (await deployOf(db, dir, "R4", { release: "R2", ...HAS_IT })).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_expand", "3_contract"]);
    }));

  it("a contract whose session is ended in the middle leaves everything as it was, and the next deploy runs it", () =>
    withDeployed(async (db, dir) => {
      await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      const reader = await db.client();
      await reader.query("BEGIN; SELECT old FROM a");
      const run = failureOf((await deployOf(db, dir, "R3", { release: "R2", ...HAS_IT })).up());
      const waiting =
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%DROP COLUMN%' AND wait_event_type = 'Lock' AND datname = current_database()";
      await until(async () => (await db.query(waiting)).length > 0, "the contract to wait for the reader");
      await db.query(`SELECT pg_terminate_backend(pid) FROM (${waiting}) AS blocked`);
      expect((await run).code).toBe("CONNECTION");
      await reader.query("SELECT old FROM a; COMMIT");
      expect(await appliedNames(db)).toEqual(["1_a", "2_expand"]);
      await (await deployOf(db, dir, "R3", { release: "R2", ...HAS_IT })).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_expand", "3_contract"]);
    }));

  it("a contract may come after a migration that a squash has replaced, on old databases and new ones", () =>
    withDeployed(async (db, dir) => {
      await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      const replaces = ["1_a", "2_expand"].map((name) => ({ name, sqlDigest: undefined, replaces: [] }));
      const squashed = writeFolder({
        ...CONTRACT,
        "2_all.sql": `${baselineHeader(replaces).join("\n")}\nCREATE TABLE a (old int, new int);`,
      });
      const early = await (await deployOf(db, squashed, "R2", { release: "R1", ...HAS_IT })).up();
      expect(early.waiting.map(({ waitsFor }) => waitsFor.release)).toEqual(["R1"]);
      await (await deployOf(db, squashed, "R3", { release: "R2", ...HAS_IT })).up();
      expect((await appliedNames(db)).at(-1)).toBe("3_contract");
      await withDatabase(async (other) => {
        await (await deployOf(other, squashed, "R3", undefined)).up();
        expect(await appliedNames(other)).toEqual(["2_all", "3_contract"]);
      });
    }));

  it("a contract that was undone is applied again by the next deploy", () =>
    withDeployed(async (db, dir) => {
      await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      await (await deployOf(db, dir, "R3", { release: "R2", ...HAS_IT })).up();
      await (await openMigrator(db, dir)).redo();
      expect(await appliedNames(db)).toEqual(["1_a", "2_expand", "3_contract"]);
      await (await openMigrator(db, dir)).down();
      expect((await (await openMigrator(db, dir)).up()).waiting).toHaveLength(1);
      await (await deployOf(db, dir, "R4", { release: "R3", ...HAS_IT })).up();
      expect(await appliedNames(db)).toEqual(["1_a", "2_expand", "3_contract"]);
    }));
});

describe("a contract outside deploys", () => {
  it("nothing waits on a database that no stack has migrated, whether it is new or not", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...BEFORE, ...EXPAND });
      await (await openMigrator(db, dir)).up();
      addFiles(dir, CONTRACT);
      expect((await (await openMigrator(db, dir)).status()).waiting).toEqual([]);
      const { completed, waiting } = await (await openMigrator(db, dir)).up();
      expect([completed.length, waiting]).toEqual([1, []]);
    }));

  it("a contract of a deployed database waits for a deploy, with the same words in status, plan and up", () =>
    withDeployed(async (db, dir) => {
      await (await deployOf(db, dir, "R1-0123456789abcdef", { release: "R0" })).up();
      const migrator = await openMigrator(db, dir);
      const [status, plan, run] = [await migrator.status(), await migrator.planUp(), await migrator.up()];
      const waitsFor = {
        after: "2_expand",
        reason: "outside-deploy",
        release: "R1-0123456789abcdef",
        revision: null,
        message:
          "a deploy runs it, after a successful deploy of a release that has it and is later than the one that applied 2_expand (R1-012345678)",
      };
      expect(status.migrations.at(-1)).toEqual({
        name: "3_contract",
        state: "pending",
        appliedAt: null,
        waitsFor,
      });
      const waiting = [{ migration: "3_contract", waitsFor }];
      expect([status.waiting, plan.waiting, run.waiting]).toEqual([waiting, waiting, waiting]);
      expect([plan.steps, run.completed, run.counts.pending]).toEqual([[], [], 1]);
    }));

  it("a person's word runs one contract, and the history keeps it", () =>
    withDeployed(async (db, dir) => {
      addFiles(dir, { "4_other.sql": "-- migrate: contract after 1_a\nSELECT 4;" });
      await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      const migrator = await openMigrator(db, dir);
      expect((await migrator.planUp({ contract: "3_contract" })).steps).toHaveLength(1);
      const { waiting } = await migrator.up({ contract: "3_contract", note: "looked at the logs" });
      expect(waiting.map(({ migration }) => migration)).toEqual(["4_other"]);
      const { entries } = await migrator.history({ migration: "3_contract" });
      expect(entries.map(({ note }) => note)).toEqual(["ran although it waited: looked at the logs"]);
      expect((await migrator.up({ contract: "3_contract" })).completed).toEqual([]);
    }));

  it.each([
    ["5_none", 'there is no migration named "5_none"'],
    ["2_expand", "2_expand is no contract: it waits for nothing"],
  ])("the word for %s, which is no contract, is refused", (contract, message) =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...BEFORE, ...EXPAND, ...CONTRACT });
      const error = await failureOf((await openMigrator(db, dir)).up({ contract }));
      expect([error.code, error.message]).toEqual(["USAGE", message]);
      expect(await db.query("SELECT to_regclass('a') AS made")).toEqual([{ made: null }]);
      const migrator = await openMigrator(db, dir);
      await migrator.up();
      for (const work of [
        migrator.up({ contract }),
        migrator.planUp({ contract }),
        migrator.measureUp({ contract }),
      ])
        expect(await failureOf(work)).toMatchObject({ code: "USAGE", message });
    }),
  );

  it("a contract that cannot be understood stops a run before it begins", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...BEFORE, "2_b.sql": "SELECT 1;\n-- migrate: contract after 1_a" });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect([error.code, error.message]).toEqual([
        "MIGRATION",
        "2_b.sql:2 has a contract that is not above the first statement",
      ]);
      expect(await db.query("SELECT to_regclass('a') AS made")).toEqual([{ made: null }]);
    }));

  it("a contract that comes from another module is refused instead of run at once", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({
        ...BEFORE,
        "2_b.ts": 'export * from "./lib/shared.ts"; export const up = () => {};',
      });
      addFiles(dir, { "lib/shared.ts": 'export const contractAfter = "1_a";' });
      const error = await failureOf((await openMigrator(db, dir)).up());
      expect([error.code, error.message]).toEqual([
        "MIGRATION",
        '2_b exports contractAfter = "1_a", which its own text does not say',
      ]);
    }));

  it.each(["contractAftr", "contractafter", "contract_after", "contactAfter"])(
    "a contract that is exported as %s is refused instead of run at once",
    (name) =>
      withDatabase(async (db) => {
        const dir = writeFolder({
          ...BEFORE,
          "2_b.ts": `export const ${name} = "1_a"; export const up = () => {};`,
        });
        const error = await failureOf((await openMigrator(db, dir)).up());
        expect([error.code, error.message]).toEqual([
          "MIGRATION",
          `2_b exports ${name}, which has no effect`,
        ]);
      }),
  );
});

describe("what still names that which a contract drops", () => {
  it("views, functions, triggers and generated columns are named in status and plan, and in the run", () =>
    withDatabase(async (db) => {
      const dir = writeFolder({ ...BEFORE, ...EXPAND });
      await (await openMigrator(db, dir)).up();
      await db.query(`
        CREATE VIEW shown AS SELECT old FROM a; CREATE VIEW other AS SELECT new FROM a;
        ALTER TABLE a ADD COLUMN twice int GENERATED ALWAYS AS (old * 2) STORED;
        CREATE FUNCTION total() RETURNS bigint LANGUAGE sql AS 'SELECT sum(old) FROM a';
        CREATE FUNCTION modern() RETURNS int LANGUAGE sql RETURN (SELECT max(old) FROM a);
        CREATE FUNCTION copied() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.new := NEW.old; RETURN NEW; END $$;
        CREATE TRIGGER copies BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION copied();
        CREATE FUNCTION dropped_too() RETURNS int LANGUAGE sql AS 'SELECT old FROM a';
      `);
      addFiles(dir, {
        "3_contract.sql":
          "-- migrate: contract after 2_expand\nDROP FUNCTION dropped_too(); ALTER TABLE a DROP COLUMN old CASCADE;",
      });
      const migrator = await openMigrator(db, dir);
      const { uses } = await migrator.status();
      expect(uses.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
        "function public.copied",
        "function public.modern",
        "function public.total",
        "generated column public.a.twice",
        "view public.shown",
      ]);
      expect(uses[0]).toEqual({
        migration: "3_contract",
        drops: "a.old",
        kind: "function",
        name: "public.copied",
      });
      expect((await migrator.planUp()).uses).toEqual(uses);
      await migrator.up();
      const warnings = migrator.events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
      expect(warnings).toContain("3_contract drops a.old, which the view public.shown names");
      expect((await migrator.status()).uses).toEqual([]);
    }));
});

describe("a contract beside an approved plan", () => {
  it("a deploy leaves a contract waiting that its approved plan does not have, be it the file or the digest", () =>
    withDeployed(async (db, dir) => {
      await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      for (const [form, name] of [
        ["file", "5_a"],
        ["digest", "6_b"],
      ] as const) {
        addFiles(dir, { [`${name}.sql`]: "SELECT 5;" });
        const plan = await (await openMigrator(db, dir)).planUp();
        const deploy = await deployOf(db, dir, "R3", { release: "R2", ...HAS_IT });
        const report = await deploy.up({ approved: form === "file" ? fileOf(plan) : (plan.digest ?? "") });
        expect(report.completed.map(({ migration }) => migration)).toEqual([name]);
        expect(report.waiting.map(({ waitsFor }) => waitsFor.reason)).toEqual(["not-approved"]);
      }
    }));

  it("a deploy runs the contract of an approved plan when its time has come, and refuses the plan before", () =>
    withDeployed(async (db, dir) => {
      await (await deployOf(db, dir, "R1", { release: "R0" })).up();
      const plan = await (await openMigrator(db, dir)).planUp({ contract: "3_contract" });
      const early = await deployOf(db, dir, "R2", { release: "R1", ...HAS_IT });
      expect((await failureOf(early.up({ approved: fileOf(plan) }))).message).toBe(
        "this is not the plan that was approved: 3_contract waits here",
      );
      const third = await deployOf(db, dir, "R3", { release: "R2", ...HAS_IT });
      expect((await third.up({ approved: plan.digest ?? "" })).completed).toHaveLength(1);
    }));
});

function fileOf({ digest, ...plan }: PlanReport): ApprovedPlan {
  return { ...plan, digest: digest ?? "" };
}

import { describe, expect, test } from "@jest/globals";
import { LONGEST_RESPONSE } from "../cloud/response-server.ts";
import type { Scenarios } from "../environment.ts";
import { FAILING, sql, tables } from "../migrations.ts";
import { appliedIn, historyOf, tablesIn } from "../state.ts";

/** A message longer than CloudFormation takes, in characters of more than one byte. */
const VERBOSE = sql(
  "DO $$ BEGIN RAISE EXCEPTION 'it begins here %', repeat('ü€', 4000) || ' it ends here'; END $$;",
);

const BROKEN_CODE: readonly (readonly [string, RegExp])[] = [
  ["throw new Error('no such setting');", /^MIGRATION in 1_code: .*no such setting/],
  ["export const up = () => { throw new Error('no such table'); };", /1_code: .*no such table/],
  ["export const up = (pgm) => pgm.db.query('SELECT * FROM nowhere');", /1_code: .*42P01/s],
];

export const failing: Scenarios = (aws) =>
  describe("a failing migration", () => {
    test("a failing migration fails the deploy with a reason to act on; the rollback succeeds and the database is intact", async () => {
      const { withStack, deployable } = aws();
      for (const handledBy of ["old code", "new code"] as const) {
        await withStack({}, async ({ stack, db }) => {
          await stack.create(await deployable(tables(1)));
          const failed = await stack.update(await deployable({ ...tables(1, 2), "3_broken.sql": FAILING }));
          expect(failed).toMatchObject({ status: "FAILED" });
          const reason = failed?.reason ?? "";
          expect(reason).toMatch(/^SQL in 3_broken: division by zero \(SQLSTATE 22012\)/);
          expect(reason).toMatch(/Applied before it: 2_t2; the rollback keeps them\./);
          expect(reason).toMatch(/Log group \/proof\/\w*Deploy\w*, request [0-9a-f-]{36}\./);
          expect(await stack.rollBack(handledBy)).toMatchObject({ status: "SUCCESS" });
          expect(await appliedIn(db)).toEqual(["1_t1", "2_t2"]);
          expect(await tablesIn(db)).toEqual(["t1", "t2"]);
          expect((await historyOf(db)).at(-1)).toBe("3_broken up failed");
        });
      }
    });

    test("a deploy over its budget for locks fails before anything is applied, and its rollback succeeds", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        const options = { maxLockMs: 300 };
        await stack.create(await deployable(tables(1), options));
        const slow = { ...tables(1, 2), "3_slow.sql": sql("LOCK TABLE t1; SELECT pg_sleep(2);") };
        const failed = await stack.update(await deployable(slow, options));
        expect(failed).toMatchObject({ status: "FAILED" });
        expect(failed?.reason).toMatch(
          /^LOCK_BUDGET in 3_slow: 3_slow would block reads and writes of t1 for at least \d+ ms.*the construct's `maxLock`/s,
        );
        expect(await tablesIn(db)).toEqual(["t1"]);
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
        const patient = await deployable(slow, { maxLockMs: 20_000 });
        expect(await stack.update(patient)).toMatchObject({ status: "SUCCESS", data: { Head: "3_slow" } });
      });
    });

    test("a deploy of the corrected migration goes on where the failed one stopped", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        await stack.update(await deployable({ ...tables(1, 2), "3_t3.sql": FAILING }));
        await stack.rollBack("old code");
        const mended = await stack.update(await deployable(tables(1, 2, 3)));
        expect(mended).toMatchObject({ status: "SUCCESS", data: { AppliedCount: "3" } });
        expect(await tablesIn(db)).toEqual(["t1", "t2", "t3"]);
      });
    });

    test("a first create that fails can be deleted, and the next create goes on", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        const failed = await stack.create(await deployable({ ...tables(1), "2_t2.sql": FAILING }));
        expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringContaining("2_t2") });
        expect(await stack.delete()).toMatchObject({ status: "SUCCESS" });
        expect(await stack.create(await deployable(tables(1, 2)))).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1", "2_t2"]);
      });
    });

    test("a very long message is cut in its middle to what CloudFormation takes", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack }) => {
        const { status, reason, bodies } = await stack.create(await deployable({ "1_verbose.sql": VERBOSE }));
        expect(status).toBe("FAILED");
        expect(reason).toMatch(/1_verbose: it begins here .* it ends here/s);
        expect(reason).toMatch(/P0001.*Log group/s);
        expect(reason).not.toContain("\ufffd");
        expect(Buffer.byteLength(bodies[0] ?? "")).toBeLessThan(LONGEST_RESPONSE);
      });
    });

    test("code that throws when it is loaded, in `up` or in a query fails the deploy with its reason", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        for (const [text, reason] of BROKEN_CODE) {
          const failed = await stack.create(await deployable({ "1_code.ts": text }));
          expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(reason) });
        }
        expect(await tablesIn(db)).toEqual([]);
      });
    });

    test("an applied file that was edited fails the deploy, and so does a database that nobody baselined", async () => {
      const { withStack, deployable } = aws();
      await withStack({}, async ({ stack, db }) => {
        await stack.create(await deployable(tables(1)));
        const edited = { ...tables(2), "1_t1.sql": sql("CREATE TABLE t1 (id bigint);") };
        const changed = await stack.update(await deployable(edited));
        expect(changed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^CHANGED.*1_t1/s) });
        expect(await stack.rollBack("new code")).toMatchObject({ status: "SUCCESS" });
        expect(await appliedIn(db)).toEqual(["1_t1"]);
      });
      await withStack({}, async ({ stack, db }) => {
        await db.query("CREATE TABLE here_before ()");
        const failed = await stack.create(await deployable(tables(1)));
        expect(failed).toMatchObject({ status: "FAILED", reason: expect.stringMatching(/^UNMANAGED/) });
      });
    });
  });

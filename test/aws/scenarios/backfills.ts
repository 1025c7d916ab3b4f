import { describe, expect, test } from "@jest/globals";
import type { Scenarios } from "../environment.ts";
import { appliedIn, sessionsIn } from "../state.ts";

/** A backfill that takes longer than two invocations have: 100 batches of a tenth of a second. */
export const MANY_ROWS = {
  "1_rows.sql": `CREATE TABLE many (id int PRIMARY KEY, a int, fills int NOT NULL DEFAULT 0);
    INSERT INTO many (id) SELECT generate_series(1, 5000);
    -- Down Migration
    DROP TABLE many;`,
  "2_fill.sql": `-- migrate: backfill
-- batch: 50
UPDATE many SET a = 1, fills = fills + 1 FROM pg_sleep(0.1) WHERE a IS NULL AND :batch;`,
};

export const backfills: Scenarios = (aws) =>
  describe("backfills", () => {
    test("a backfill that outlives a deploy goes on in the operate function and in the next deploy", async () => {
      const { withStack, deployable } = aws();
      await withStack({ timeoutSeconds: 4 }, async ({ stack, db }) => {
        const release = await deployable(MANY_ROWS);
        const reason = expect.stringMatching(/^DEADLINE.*2_fill.*of about [\d,]+ rows/s);
        expect(await stack.create(release)).toMatchObject({ status: "FAILED", reason });
        const status = async () => (await stack.invoke("on-status.handler", { command: "status" })).payload;
        const begun = { rows: expect.any(Number), percent: expect.any(Number) };
        const pending = { name: "2_fill", state: "pending", backfill: begun };
        expect(await status()).toMatchObject({ migrations: [{ name: "1_rows" }, pending], refusals: [] });
        const operate = { command: "up", confirm: db.name };
        const answer = (await stack.invoke("on-operate.handler", operate)).payload;
        expect(answer).toMatchObject({ ok: false, error: { code: "DEADLINE", backfill: begun } });
        let tries = 0;
        for (; (await stack.create(release)).status === "FAILED"; tries += 1) expect(tries).toBeLessThan(10);
        expect(await appliedIn(db)).toEqual(["1_rows", "2_fill"]);
        expect(await db.query("SELECT id FROM many WHERE a IS NULL OR fills <> 1")).toEqual([]);
        expect(await sessionsIn(db)).toBe(0);
      });
    });
  });

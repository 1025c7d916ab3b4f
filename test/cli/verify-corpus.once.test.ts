import { describe, expect, test } from "@jest/globals";
import { shadowAt } from "../../lib/cli/verify/index.ts";
import { withDatabase } from "../support/database.ts";
import { failureOf } from "../support/migrator.ts";
import { CORPUS, RARE } from "./catalog-corpus.ts";
import { folderOf, verify } from "./verify-run.ts";

const PIECES = [...CORPUS, ...RARE];

describe("verify", () => {
  test(
    "a careless down for every kind of object is found, with what it left or lost",
    () =>
      withDatabase(async (db) => {
        const report = await verify(
          db,
          folderOf(PIECES, ({ wrong }) => wrong.down),
        );
        expect(report.ok).toBe(false);
        for (const [n, { name, wrong }] of PIECES.entries()) {
          const { status, diff = "", error } = report.migrations[n] ?? { status: "unchecked" };
          expect([name, status, error?.step === "down"]).toEqual([name, "failed", false]);
          const missing = wrong.shows.filter((line) => !diff.includes(line));
          expect({ name, diff, missing }).toEqual({ name, diff, missing: [] });
        }
      }),
    240_000,
  );
});

describe("a shadow database", () => {
  test(
    "must be empty, and is empty again afterwards",
    () =>
      withDatabase(async (db) => {
        const scratch = shadowAt(db.connection);
        const dir = folderOf(
          PIECES.slice(0, 15).filter(({ name }) => !/privileges|settings/.test(name)),
          ({ down }) => down,
        );
        for (const _ of [1, 2]) expect((await verify(db, dir, { scratch })).ok).toBe(true);
        await db.query("CREATE TABLE mine ()");
        const error = await failureOf(verify(db, dir, { scratch }));
        expect(error).toMatchObject({ code: "USAGE", message: expect.stringContaining("table public.mine") });
        expect(await db.query("SELECT FROM mine")).toEqual([]);
      }),
    240_000,
  );
});

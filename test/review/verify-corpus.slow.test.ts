import { describe, expect, test } from "@jest/globals";
import { shadowAt } from "../../lib/review/verify/index.ts";
import { withDatabase } from "../support/database.ts";
import { addFiles } from "../support/folders.ts";
import { failureOf } from "../support/migrator.ts";
import { runsEveryCase } from "../support/postgres.ts";
import { CORPUS, RARE } from "./catalog-corpus.ts";
import { folderOf, verify } from "./verify-run.ts";

const PIECES = runsEveryCase() ? [...CORPUS, ...RARE] : CORPUS.slice(0, 10);
const PIECES_A_TURN = 10;

/** Some of the pieces, each with its wrong down, after all that come before them in one migration. */
function carelessFolder(turn: number): string {
  const first = turn * PIECES_A_TURN;
  const before = PIECES.slice(0, first).map(({ up }) => `${up};\n`);
  const dir = folderOf(PIECES.slice(first, first + PIECES_A_TURN), ({ wrong }) => wrong.down);
  addFiles(dir, { "0_before.sql": `-- irreversible: not what is looked at\n${before.join("")}` });
  return dir;
}

describe("verify", () => {
  test("verify accepts correct migrations for every kind of object", () =>
    withDatabase(async (db) => {
      const report = await verify(
        db,
        folderOf(PIECES, ({ down }) => down),
      );
      expect(report.migrations.filter(({ status }) => status !== "reversible")).toEqual([]);
      expect(report.ok).toBe(true);
    }));

  test("verify finds a wrong down for every kind of object and shows what differs", () =>
    withDatabase(async (db) => {
      const turns = Math.ceil(PIECES.length / PIECES_A_TURN);
      const reports = Array.from({ length: turns }, (_, turn) => verify(db, carelessFolder(turn)));
      const results = (await Promise.all(reports)).flatMap(({ migrations: [, ...checked] }) => checked);
      for (const [n, { name, wrong }] of PIECES.entries()) {
        const { status, diff = "", error } = results[n] ?? { status: "unchecked" };
        expect([name, status, error?.step === "down"]).toEqual([name, "failed", false]);
        const missing = wrong.shows.filter((line) => !diff.includes(line));
        expect({ name, diff, missing }).toEqual({ name, diff, missing: [] });
      }
    }));
});

describe("a shadow database", () => {
  test("a shadow database must be empty and is emptied afterwards", () =>
    withDatabase(async (db) => {
      const scratch = shadowAt(db.connection);
      const dir = folderOf(
        PIECES.slice(0, 15).filter(({ name }) => !/privileges|settings/.test(name)),
        ({ down }) => down,
      );
      for (const _ of [1, 2]) expect((await verify(db, dir, { scratch })).ok).toBe(true);
      await db.query("CREATE TABLE mine ()");
      const error = await failureOf(verify(db, dir, { scratch }));
      expect(error).toMatchObject({
        code: "SCRATCH_DATABASE",
        message: expect.stringContaining("table public.mine"),
      });
      expect(await db.query("SELECT FROM mine")).toEqual([]);
    }));
});

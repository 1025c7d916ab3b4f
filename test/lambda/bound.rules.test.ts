import { describe, expect, test } from "@jest/globals";
import { withinBound } from "../../lambda/operate/answer.ts";

const LIMIT = 10_000;
const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

describe("an answer of a function", () => {
  test("an answer that Lambda accepts stays unchanged", () => {
    const answer = { ok: true, command: "plan", steps: [{ sql: ["x".repeat(LIMIT - 200)] }] };
    expect(withinBound(answer, LIMIT)).toBe(answer);
  });

  test("an answer with long SQL keeps its beginning, says how much is missing, and has a note", () => {
    const sql = `INSERT INTO t ${"ü".repeat(LIMIT)}`;
    const cut = withinBound({ ok: true, command: "plan", steps: [{ migration: "1_a", sql: [sql] }] }, LIMIT);
    expect(sizeOf(cut)).toBeLessThanOrEqual(LIMIT);
    expect(cut).toMatchObject({ ok: true, truncated: expect.stringContaining("long texts are cut") });
    expect(JSON.stringify(cut)).toMatch(/INSERT INTO t ü+ … \(\d+ bytes more\)/);
    expect(JSON.stringify(cut)).not.toContain("\ufffd");
  });

  test("an answer with very many entries keeps the first of them and has a note", () => {
    const entries = Array.from({ length: 1_000 }, (_, index) => ({ migration: `${index}_m`, note: "n" }));
    const cut = withinBound({ ok: true, command: "history", entries }, LIMIT);
    expect(sizeOf(cut)).toBeLessThanOrEqual(LIMIT);
    expect(cut).toMatchObject({ truncated: expect.stringContaining("lists") });
    expect(cut["entries"]).toContainEqual({ migration: "0_m", note: "n" });
  });

  test("an answer that cannot be shortened enough still says whether the command succeeded", () => {
    const wide = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`key${index}`, "v"]));
    const cut = withinBound({ ok: false, command: "up", ...wide }, LIMIT);
    expect(cut).toEqual({ ok: false, command: "up", truncated: expect.any(String) });
  });

  test("an answer of the size that Lambda accepts is not made longer", () => {
    const steps = Array.from({ length: 400 }, (_, index) => ({
      migration: `${index}`,
      sql: ["x".repeat(20_000)],
    }));
    expect(sizeOf(withinBound({ ok: true, command: "plan", steps }))).toBeLessThan(6 * 1024 * 1024);
  });
});

import { expect } from "@jest/globals";
import { appliedNames } from "../support/migrator.ts";
import { chosenCases } from "../support/postgres.ts";
import { type Fault, type Stage, typed, upWithFault } from "./faulty-run.ts";
import { recover } from "./recover.ts";
import { expectConsistentHistory, expectNothingLeft, stateOf } from "./state.ts";
import { TEN_NAMES } from "./ten.ts";

/**
 * Puts the fault at the requests of a run, one after the other, and looks at what a second run makes of it: at every
 * request, or where not every case runs, at each that may commit something and at some of the others.
 */
export async function atEveryRequest(stage: Stage, fault: Fault): Promise<void> {
  const committing = stage.requests.filter(({ text }) => COMMITS.test(text));
  const others = stage.requests.filter((request) => !committing.includes(request));
  for (const { n } of [...chosenCases(committing, 2), ...chosenCases(others, 8)]) {
    const { hit, error } = await upWithFault(stage, n, fault);
    try {
      expect(hit?.n).toBe(n);
      await expectHonest(stage, error);
      await expectRecovery(stage, n);
    } catch (cause) {
      throw new Error(`fault at request ${n}: ${hit?.text}`, { cause });
    }
  }
  expect((await upWithFault(stage, stage.requests.length + 1, fault)).hit).toBeUndefined();
}

/** SQL that may commit something. */
export const COMMITS = /INSERT|COMMIT$/;

/** After any fault: a second run, and the same database as if nothing had happened. */
export async function expectRecovery({ db, dir, undisturbed }: Stage, n: number): Promise<void> {
  await recover(db, dir, n % 2 === 0 ? "go-on" : "take-back");
  expect(await stateOf(db)).toEqual(undisturbed);
  expect(await appliedNames(db)).toEqual(TEN_NAMES);
  await expectConsistentHistory(db);
  await expectNothingLeft(db);
}

/**
 * A run whose connection broke says so, unless all of its work was done; and it claims nothing that is not so. The
 * one migration whose COMMIT was not answered may be applied without its knowledge.
 */
async function expectHonest({ db }: Stage, error: unknown): Promise<void> {
  if (error === undefined) return expect(await appliedNames(db)).toEqual(TEN_NAMES);
  const { code, details } = typed(error);
  expect(code).toBe("CONNECTION");
  if (details.applied === undefined) return;
  const inDatabase = await appliedNames(db);
  expect(inDatabase.slice(0, details.applied.length)).toEqual(details.applied);
  const more = inDatabase.slice(details.applied.length);
  expect(more.length).toBeLessThanOrEqual(1);
  if (details.partial === undefined) expect(details.inDoubt ?? []).toEqual(expect.arrayContaining(more));
}

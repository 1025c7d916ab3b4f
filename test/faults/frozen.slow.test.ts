import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { writeFolder } from "../support/folders.ts";
import { appliedNames } from "../support/migrator.ts";
import { chosenCases } from "../support/postgres.ts";
import { expectRecovery } from "./every-request.ts";
import { hitting, type Stage, setStage, throughProxy, typed } from "./faulty-run.ts";
import type { Fate } from "./proxy.ts";
import { empty } from "./state.ts";
import { TEN_NAMES } from "./ten.ts";
import { until } from "./until.ts";

/** Long enough for a busy machine to connect in, short enough to be waited for many times. */
const OPTIONS = { connectTimeoutMs: 700 };
/** How long a run may take to end after it was cancelled: the three seconds that a last query is waited for, twice. */
const BOUND_MS = 9_000;

/** The end of a run, or the fact that it does not come. */
const endOf = (run: Promise<unknown>): Promise<unknown> =>
  Promise.race([run, sleep(BOUND_MS, undefined, { ref: false }).then(() => "it does not end")]);

/** Freezes at the n-th request, cancels the run then, and waits for it to end. @returns its error */
async function cancelFrozen({ db, dir }: Stage, n: number, fate: Fate): Promise<unknown> {
  await empty(db);
  const { decide, hit } = hitting(n, () => fate);
  const cancel = new AbortController();
  const setup = { signal: cancel.signal };
  return throughProxy({ db, dir, decide, options: OPTIONS, setup }, async (run) => {
    const reached = until(() => hit() !== undefined, `request ${n}`);
    await Promise.race([reached, run.then((error) => Promise.reject(error))]);
    await sleep(10);
    cancel.abort("SIGINT");
    return endOf(run);
  });
}

describe("a network that freezes", () => {
  let stage: Stage;
  /** Several, because most of the time nothing happens but that a limit of time passes. */
  let stages: readonly Stage[];
  beforeAll(async () => {
    const [first, ...others] = await Promise.all([setStage(), setStage(), setStage(), setStage()]);
    stage = first;
    stages = [first, ...others];
  });
  afterAll(() => Promise.all(stages.map(({ db }) => db.drop())));

  it.each<[string, Fate, number]>([
    ["before the server has the request [G9]", "freeze", 0],
    ["before the answer comes [G9]", "freeze-answer", 3],
  ])(
    "after a freeze %s, a cancelled run ends soon, and a second run ends where an undisturbed run does",
    async (_, fate, phase) => {
      // The first request and the last two are below.
      const chosen = chosenCases(
        stage.requests.slice(1, -2).filter(({ n }) => n % 6 === phase),
        2,
      );
      expect(chosen.length).toBeGreaterThan(stages.length);
      const look = async (own: Stage, turn: number) => {
        for (const { n, text } of chosen.filter((_, index) => index % stages.length === turn)) {
          const error = await cancelFrozen(own, n, fate);
          // What is cancelled when all is done has succeeded.
          if (error === undefined) expect(await appliedNames(own.db)).toEqual(TEN_NAMES);
          else expect([n, text, typed(error).code]).toEqual([n, text, "CANCELLED"]);
          await expectRecovery(own, n);
        }
      };
      await Promise.all(stages.map(look));
    },
  );

  it("a run that freezes at its first request ends soon after a cancel", async () => {
    expect(typed(await cancelFrozen(stage, 1, "freeze")).code).toBe("CANCELLED");
  });

  it("a run that freezes while it releases the lock ends soon after a cancel", async () => {
    const unlock = stage.requests.find(({ text }) => text.includes("SELECT pg_catalog.pg_advisory_unlock("));
    expect(await cancelFrozen(stage, unlock?.n ?? 0, "freeze")).not.toBe("it does not end");
  });

  it("a run that freezes while it closes its session ends soon after a cancel", async () => {
    expect(await cancelFrozen(stage, stage.requests.length, "freeze")).not.toBe("it does not end");
  });

  it("a run with one frozen connection, which can still cancel on the server, ends soon after a cancel", async () => {
    expect(typed(await cancelFrozen(stage, 10, "freeze-link")).code).toBe("CANCELLED");
  });

  it("a long freeze during the watch for blocking sessions leaves one connection attempt at a time, and none after the end", async () => {
    const { db } = stage;
    await empty(db);
    const dir = writeFolder({ "1_slow.sql": "SELECT pg_sleep(60);" });
    const cancel = new AbortController();
    const options = { ...OPTIONS, lockTimeoutMs: 60 };
    const passage = { db, dir, options, setup: { signal: cancel.signal }, decide: () => "pass" as const };
    await throughProxy(passage, async (run, proxy) => {
      await until(() => proxy.requests.some(({ text }) => text.includes("pg_sleep")), "the statement");
      proxy.freeze();
      await sleep(2_500);
      expect(proxy.connections()).toBeLessThan(5);
      cancel.abort("SIGINT");
      expect(typed(await endOf(run)).code).toBe("CANCELLED");
      const connections = proxy.connections();
      await sleep(1_000);
      expect(proxy.connections()).toBe(connections);
    });
  });

  it("a run that freezes while it watches for blocking sessions ends soon after a cancel", async () => {
    const { db } = stage;
    await empty(db);
    const dir = writeFolder({ "1_slow.sql": "SELECT pg_sleep(30);" });
    const cancel = new AbortController();
    const options = { ...OPTIONS, lockTimeoutMs: 60 };
    const passage = { db, dir, options, setup: { signal: cancel.signal }, decide: () => "pass" as const };
    const error = await throughProxy(passage, async (run, proxy) => {
      await until(() => proxy.requests.some(({ link }) => link === 1), "the watching connection");
      proxy.freeze();
      await sleep(50);
      cancel.abort("SIGINT");
      return endOf(run);
    });
    expect(typed(error).code).toBe("CANCELLED");
  });
});

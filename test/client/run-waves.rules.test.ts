import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { type FleetEvent, runWaves, type TargetWork } from "../../lib/client/run-waves.ts";
import { type Outcome, parseTargets, planWaves, serverOf } from "../../lib/fleet/index.ts";

const database = { host: "h", port: 1, database: "d" };

/** A fleet on this many servers, with the same number of schemas each. */
function fleetOf(servers: number, each: number) {
  const entries = Array.from({ length: servers * each }, (_, index) => ({
    host: `h${index % servers}`,
    schema: `s${index}`,
  }));
  return parseTargets(entries, { source: "x", database });
}

const done = (target: string): Outcome => ({ target, outcome: "done", completed: 0 });
const failed = (target: string): Outcome => ({ target, outcome: "failed", completed: 0 });

test.each([
  { servers: 1, each: 9, concurrency: 4, perServer: 4, most: 4, mostPerServer: 4 },
  { servers: 3, each: 5, concurrency: 4, perServer: 1, most: 3, mostPerServer: 1 },
  { servers: 5, each: 3, concurrency: 6, perServer: 2, most: 6, mostPerServer: 2 },
  { servers: 1, each: 2, concurrency: 8, perServer: 8, most: 2, mostPerServer: 2 },
])(
  "$servers servers with $each targets each run $most targets at once, within $concurrency and $perServer per server",
  async ({ servers, each, concurrency, perServer, most, mostPerServer }) => {
    const running = new Map<string, number>();
    const seen = { all: 0, server: 0 };
    const work: TargetWork = async (target) => {
      const server = serverOf(target);
      running.set(server, (running.get(server) ?? 0) + 1);
      seen.all = Math.max(
        seen.all,
        [...running.values()].reduce((sum, one) => sum + one, 0),
      );
      seen.server = Math.max(seen.server, ...running.values());
      await sleep(2);
      running.set(server, (running.get(server) ?? 0) - 1);
      return done(target.name);
    };
    const targets = fleetOf(servers, each);
    const waves = planWaves(targets, { canary: 0, concurrency, perServer, tolerated: 0 });
    const outcomes = await runWaves(waves, work, { concurrency, perServer });
    expect(seen).toEqual({ all: most, server: mostPerServer });
    expect(outcomes.map(({ target }) => target).toSorted()).toEqual(
      targets.map(({ name }) => name).toSorted(),
    );
  },
);

test.each([
  { failing: ["s0"], canary: 1, tolerated: 5, result: { done: 0, failed: 1, untouched: 9 } },
  { failing: ["s1", "s2"], canary: 1, tolerated: 2, result: { done: 8, failed: 2, untouched: 0 } },
  { failing: ["s1", "s2"], canary: 1, tolerated: 1, result: { done: 1, failed: 2, untouched: 7 } },
  { failing: ["s9"], canary: 0, tolerated: 0, result: { done: 9, failed: 1, untouched: 0 } },
])(
  "when $failing fail after a canary of $canary, and $tolerated are tolerated, the result is $result",
  async ({ failing, canary, tolerated, result }) => {
    const waves = planWaves(fleetOf(1, 10), { canary, concurrency: 1, perServer: 1, tolerated });
    const work: TargetWork = async ({ name }) => (failing.includes(name) ? failed(name) : done(name));
    const outcomes = await runWaves(waves, work, { concurrency: 1, perServer: 1 });
    const count = (kind: Outcome["outcome"]) => outcomes.filter(({ outcome }) => outcome === kind).length;
    expect({ done: count("done"), failed: count("failed"), untouched: count("untouched") }).toEqual(result);
  },
);

test("after an abort nothing is started, and what runs is waited for", async () => {
  const control = new AbortController();
  const events: FleetEvent["type"][] = [];
  const work: TargetWork = async ({ name }) => {
    if (name === "s1") control.abort("SIGINT");
    await sleep(2);
    return done(name);
  };
  const waves = planWaves(fleetOf(1, 6), { canary: 1, concurrency: 2, perServer: 2, tolerated: 0 });
  const outcomes = await runWaves(waves, work, {
    ...{ concurrency: 2, perServer: 2, signal: control.signal },
    observe: ({ type }) => events.push(type),
  });
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(["done", "done", ...Array(4).fill("untouched")]);
  expect(events.filter((type) => type === "wave-started")).toHaveLength(2);
});

test("a command that was cancelled before its first target ends with all of them untouched", async () => {
  const waves = planWaves(fleetOf(1, 2), { canary: 0, concurrency: 2, perServer: 2, tolerated: 0 });
  const limits = { concurrency: 2, perServer: 2, signal: AbortSignal.abort("SIGINT") };
  const outcomes = await runWaves(waves, async ({ name }) => done(name), limits);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(["untouched", "untouched"]);
});

import { expect, test } from "@jest/globals";
import { MigrationError } from "../../lib/core/index.ts";
import {
  type Canary,
  chooseTargets,
  failedOutcome,
  type Outcome,
  parseTargets,
  planWaves,
  readCanary,
  summarize,
  untouchedOutcome,
} from "../../lib/fleet/index.ts";

const origin = { source: "targets.json", database: { host: "db", port: 5432, database: "app" } };
const ten = parseTargets(
  Array.from({ length: 10 }, (_, index) => `t${index}`),
  origin,
);
const limits = { concurrency: 4, perServer: 4, tolerated: 2 };

function sizes(canary: Canary, targets = ten): string[] {
  return planWaves(targets, { ...limits, canary }).map(({ name, count }) => `${name} ${count}`);
}

test.each<[string, Canary, string[]]>([
  ["none", 0, ["all 10"]],
  ["a number", 1, ["canary 1", "rest 9"]],
  ["a share, rounded up", "15%", ["canary 2", "rest 8"]],
  ["no share", "0%", ["all 10"]],
  ["names", ["t9", "t3"], ["canary 2", "rest 8"]],
  ["names that are not among the targets", ["elsewhere"], ["all 10"]],
  ["all targets", 10, ["all 10"]],
  ["more than all targets", 50, ["all 10"]],
  ["a share of all targets", "100%", ["all 10"]],
])("with %s as canary, targets are divided into these waves", (_title, canary, waves) => {
  expect(sizes(canary)).toEqual(waves);
});

test("a fleet without targets has no waves", () => {
  expect(sizes(1, [])).toEqual([]);
});

test.each([{ concurrency: 0 }, { perServer: 1.5 }, { tolerated: -1 }, { concurrency: Number.NaN }])(
  "waves with %j are refused",
  (wrong) => {
    expect(() => planWaves(ten, { ...limits, canary: 0, ...wrong })).toThrow(
      /must be a whole number from [01] up/,
    );
  },
);

test("a canary tolerates no failure, and a canary of all targets is none", () => {
  const tolerated = (canary: Canary) => planWaves(ten, { ...limits, canary }).map((wave) => wave.tolerated);
  expect(tolerated(1)).toEqual([0, 2]);
  expect(tolerated(10)).toEqual([2]);
});

test("the targets of a wave keep their order and are grouped by server", () => {
  const targets = parseTargets(
    [
      { host: "a", schema: "1" },
      { host: "b", schema: "2" },
      { host: "a", schema: "3" },
    ],
    origin,
  );
  const [wave] = planWaves(targets, { ...limits, perServer: 1, canary: 0 });
  expect(wave?.groups.map(({ server, targets }) => [server, targets.map(({ name }) => name)])).toEqual([
    ["a:5432", ["1", "3"]],
    ["b:5432", ["2"]],
  ]);
});

test("servers whose limit cannot be met share one group", () => {
  const targets = parseTargets(
    ["a", "b", "c", "a", "a", "d"].map((host, index) => ({ host, schema: `s${index}` })),
    origin,
  );
  const [wave] = planWaves(targets, { canary: 0, concurrency: 4, perServer: 2, tolerated: 0 });
  expect(
    wave?.groups.map(({ server, concurrency, targets }) => [
      server,
      concurrency,
      targets.map(({ host }) => host),
    ]),
  ).toEqual([
    ["a:5432", 2, ["a", "a", "a"]],
    ["several servers", 2, ["b", "c", "d"]],
  ]);
  expect(wave?.concurrency).toBe(2);
});

test("a thousand servers with one target each are one group with all of the concurrency", () => {
  const targets = parseTargets(
    Array.from({ length: 1_000 }, (_, index) => ({ host: `h${index}` })),
    origin,
  );
  const [wave] = planWaves(targets, { canary: 0, concurrency: 20, perServer: 10, tolerated: 0 });
  expect(wave?.groups.map(({ concurrency }) => concurrency)).toEqual([20]);
});

test.each([
  { servers: 1, each: 10, concurrency: 4, perServer: 4, groups: 1, targets: 4 },
  { servers: 1, each: 2, concurrency: 4, perServer: 4, groups: 1, targets: 2 },
  { servers: 5, each: 10, concurrency: 10, perServer: 2, groups: 5, targets: 2 },
  { servers: 5, each: 10, concurrency: 4, perServer: 2, groups: 2, targets: 2 },
  { servers: 3, each: 10, concurrency: 2, perServer: 8, groups: 1, targets: 2 },
])(
  "$servers servers with $each targets each run $groups groups of $targets at once, within $concurrency and $perServer per server",
  ({ servers, each, concurrency, perServer, groups, targets }) => {
    const all = parseTargets(
      Array.from({ length: servers * each }, (_, index) => ({
        host: `h${index % servers}`,
        schema: `s${index}`,
      })),
      origin,
    );
    const [wave] = planWaves(all, { canary: 0, concurrency, perServer, tolerated: 0 });
    expect([wave?.concurrency, wave?.groups[0]?.concurrency]).toEqual([groups, targets]);
    expect(groups * targets).toBeLessThanOrEqual(concurrency);
  },
);

test.each<[number | string | readonly string[], Canary]>([
  [3, 3],
  ["3", 3],
  [["3"], 3],
  ["10%", "10%"],
  ["10 %", "10%"],
  ["t1", ["t1"]],
  [
    ["t2", "t1"],
    ["t1", "t2"],
  ],
])("the canary %j is read as %j", (input, canary) => {
  expect(readCanary(input, ten)).toEqual(canary);
});

test.each<[string, () => unknown, RegExp, RegExp]>([
  [
    "a canary that no target has",
    () => readCanary("tx", ten),
    /no target has the name "tx"/,
    /begin with t0, t1, t2/,
  ],
  ["a canary of more than all", () => readCanary("101%", ten), /a canary of 101 % is more/, /0 to 100/],
  ["a negative canary", () => readCanary(-1, ten), /no target has the name "-1"/, /begin with/],
  [
    "a name with a slip",
    () => chooseTargets(ten, ["t1", "t11"]),
    /no target has the name "t11"/,
    /Did you mean t1\?/,
  ],
  [
    "several unknown names",
    () => chooseTargets(ten, ["a", "b", "c", "d"]),
    /no targets have the names "a", "b", "c" and 1 more/,
    /begin with/,
  ],
])("%s is refused, and the hint names near ones", (_title, work, message, hint) => {
  expect(work).toThrow(message);
  try {
    work();
  } catch (error) {
    expect(error).toMatchObject({ code: "TARGETS" });
    expect(String(error instanceof MigrationError && error.details.hint)).toMatch(hint);
  }
});

test("chosen targets stay in the order of the list, and without names all are chosen", () => {
  expect(chooseTargets(ten, ["t7", "t2"]).map(({ name }) => name)).toEqual(["t2", "t7"]);
  expect(chooseTargets(ten)).toBe(ten);
});

const done = (target: string, head: string | null, pending = 0): Outcome => ({
  target,
  outcome: "done",
  completed: 1,
  head,
  pending,
});

test("a summary counts outcomes and versions, the most frequent version first", () => {
  const failure = new MigrationError("SQL", "no such table", { applied: ["1_a", "2_b"], migration: "3_c" });
  const outcomes = [
    done("a", "1_a", 1),
    done("b", "2_b"),
    done("c", "2_b", 1),
    done("d", null),
    failedOutcome("e", failure, { head: "2_b", pending: 3 }),
    untouchedOutcome("f"),
  ];
  expect(summarize(outcomes, 1)).toEqual({
    ok: false,
    counts: { done: 4, failed: 1, untouched: 1 },
    versions: [
      { head: "2_b", count: 3, behind: 2 },
      { head: null, count: 1, behind: 0 },
      { head: "1_a", count: 1, behind: 1 },
    ],
    failed: [
      {
        target: "e",
        outcome: "failed",
        code: "SQL",
        message: "no such table",
        migration: "3_c",
        completed: 2,
        head: "2_b",
        pending: 3,
      },
    ],
  });
});

test.each([
  { failed: 0, untouched: 0, tolerated: 0, ok: true },
  { failed: 1, untouched: 0, tolerated: 0, ok: false },
  { failed: 2, untouched: 0, tolerated: 2, ok: true },
  { failed: 0, untouched: 1, tolerated: 2, ok: false },
])(
  "with $failed failed and $untouched untouched of $tolerated tolerated, the result is $ok",
  ({ failed, untouched, tolerated, ok }) => {
    const outcomes = [
      done("a", "1"),
      ...Array.from({ length: failed }, (_, index) => failedOutcome(`f${index}`, new Error("x"))),
      ...Array.from({ length: untouched }, (_, index) => untouchedOutcome(`u${index}`)),
    ];
    expect(summarize(outcomes, tolerated).ok).toBe(ok);
  },
);

test("the message of a failure is cut, and another error than the engine's is INTERNAL", () => {
  const { code, message } = failedOutcome("a", new Error("x".repeat(5_000)));
  expect(code).toBe("INTERNAL");
  expect(message).toHaveLength(1_001);
});

import { describe, expect, it, jest, test } from "@jest/globals";
import { duration } from "../../../lib/cli/output/printer.ts";
import { createProgress, SLOW_MS } from "../../../lib/cli/output/progress.ts";
import type { ProcessIo } from "../../../lib/cli/process-io.ts";
import type { RunEvent } from "../../../lib/core/index.ts";
import { createIo } from "../process-io.ts";

const LONG = `1_${"very-long-".repeat(20)}name`;
const SHORT: RunEvent[] = [
  { type: "started", migration: "1_a", direction: "up", number: 1, total: 1 },
  { type: "notice", severity: "NOTICE", message: "two\nlines" },
  { type: "finished", migration: "1_a", direction: "up", durationMs: 12, number: 1, total: 1 },
  { type: "started", migration: "1_a", direction: "down", number: 1, total: 1 },
  { type: "failed", migration: "1_a", direction: "down" },
];

function show(
  events: readonly RunEvent[],
  columns?: number,
  env: ProcessIo["env"] = { NO_COLOR: "1" },
): string {
  const io = createIo(columns, env);
  const observe = createProgress(io, io.stdout);
  for (const event of events) observe(event);
  return io.written();
}

const ERASE = "\x1b[2K";

/** What a terminal of so many columns would show at the end, by the two escape codes that are used. */
function screen(text: string, columns: number): string[] {
  const rows = [""];
  for (const part of text.replaceAll(ERASE, "E").split(/(\r|\n|E)/)) {
    if (part === "\n") rows.push("");
    else if (part === "E") rows[rows.length - 1] = "";
    else if (part !== "\r") {
      const line = rows.pop() + part;
      rows.push(...(line.match(new RegExp(`.{1,${columns}}`, "gu")) ?? [""]));
    }
  }
  return rows;
}

describe("progress", () => {
  it("progress is plain lines without a terminal", () => {
    expect(show(SHORT)).toBe("  notice: two\n    lines\n  ✓ applied 1_a 12 ms\n  ✗ 1_a\n");
  });

  it("progress counts the tries after a lock timeout, and says once who blocks, by migration where that is known", () => {
    const session = {
      ...{ pid: 5, user: "u", application: "cdk-pg-migrate 1.2.3", client: "10.0.0.1", sinceMs: 3000 },
      ...{ state: "active", query: "create table t ()", migration: "2_t" },
    };
    const retry = {
      attempt: 3,
      attempts: 6,
      waitMs: 2000,
      reason: "canceling statement due to lock timeout",
    };
    expect(
      show([
        { type: "blocked", by: [session] },
        { type: "retry", migration: "1_a", ...retry },
      ]),
    ).toBe(
      '  blocked by "cdk-pg-migrate 1.2.3", pid 5, user u from 10.0.0.1, for 3 s, running migration 2_t\n' +
        "  1_a: canceling statement due to lock timeout; try 3 of 6 in 2.0 s\n",
    );
  });

  it("progress mentions a server that is starting once, however often it is asked", () => {
    const starting: RunEvent = { type: "server-starting", message: "the database system is starting up" };
    expect(show([starting, starting, starting])).toBe(
      "  waiting for the server: the database system is starting up\n",
    );
  });

  it("progress says what is under way without a live line, once it takes long", () => {
    jest.useFakeTimers();
    try {
      const io = createIo(undefined, { NO_COLOR: "1" });
      const observe = createProgress(io, io.stdout);
      observe({ type: "building", migration: "1_a", direction: "up" });
      jest.advanceTimersByTime(SLOW_MS - 1);
      expect(io.written()).toBe("");
      jest.advanceTimersByTime(SLOW_MS);
      observe({ type: "built", migration: "1_a", direction: "up" });
      observe({ type: "started", migration: "1_a", direction: "up", number: 1, total: 1 });
      jest.advanceTimersByTime(3 * SLOW_MS);
      observe({
        type: "finished",
        migration: "1_a",
        direction: "up",
        durationMs: 15_000,
        number: 1,
        total: 1,
      });
      observe({ type: "started", migration: "2_b", direction: "up", number: 1, total: 1 });
      observe({ type: "finished", migration: "2_b", direction: "up", durationMs: 1, number: 1, total: 1 });
      jest.advanceTimersByTime(3 * SLOW_MS);
      expect(io.written()).toBe(
        "  … building the SQL of 1_a (up)\n  … applying 1_a\n  ✓ applied 1_a 15 s\n  ✓ applied 2_b 1 ms\n",
      );
    } finally {
      jest.useRealTimers();
    }
  });

  it("progress on a terminal is a live line, which leaves nothing behind", () => {
    const text = show(SHORT, 80);
    expect(text).toContain("… applying 1_a");
    expect(text).toContain("… undoing 1_a");
    expect(screen(text, 80)).toEqual(["  notice: two", "    lines", "  ✓ applied 1_a 12 ms", "  ✗ 1_a", ""]);
  });

  const building = (phase: string, percent: number | null): RunEvent => ({
    ...{ type: "progress", migration: "1_a", phase, percent, waitsFor: null },
  });
  const scanning = building("building index: scanning table", 62.4);

  it("progress of an index build is shown in the live line, and goes with its migration", () => {
    const [started, , finished] = SHORT;
    const lines = (...events: (RunEvent | undefined)[]) =>
      screen(
        show(
          events.flatMap((event) => event ?? []),
          80,
        ),
        80,
      );
    expect(lines(started, scanning)).toEqual(["  … applying 1_a: building index: scanning table, 62 %"]);
    expect(lines(started, scanning, finished, started).at(-1)).toBe("  … applying 1_a");
  });

  it("progress of an index build is a line for each phase without a terminal, and at most two lines a minute in one", () => {
    expect(show([building("initializing", null), scanning, scanning])).toBe(
      "  … 1_a: initializing\n  … 1_a: building index: scanning table, 62 %\n",
    );
    jest.useFakeTimers({ doNotFake: ["setInterval"] });
    try {
      const io = createIo();
      const observe = createProgress(io, io.stdout);
      for (let second = 0; second < 60; second += 1) {
        observe(building("building index: scanning table", second));
        jest.advanceTimersByTime(1000);
      }
      expect(io.written().match(/ %/g)).toHaveLength(2);
    } finally {
      jest.useRealTimers();
    }
  });

  test.each([80, 40, 20])("the live line never wraps in %p columns", (columns) => {
    const text = show([{ type: "started", migration: LONG, direction: "up", number: 1, total: 1 }], columns);
    expect(screen(text, columns)).toHaveLength(1);
    const ended = show(
      [
        { type: "started", migration: LONG, direction: "up", number: 1, total: 1 },
        { type: "failed", migration: "x", direction: "up" },
      ],
      columns,
    );
    expect(screen(ended, columns)).toEqual(["  ✗ x", ""]);
  });

  test.each<[string, number | undefined, ProcessIo["env"], boolean]>([
    ["a terminal", 80, {}, true],
    ["NO_COLOR", 80, { NO_COLOR: "1" }, false],
    ["a dumb terminal", 80, { TERM: "dumb" }, false],
    ["no terminal", undefined, {}, false],
    ["no terminal, FORCE_COLOR", undefined, { FORCE_COLOR: "1" }, false],
  ])("colours depend on the terminal and the environment: %s", (_, columns, env, coloured) => {
    expect(show(SHORT, columns, env).includes("\x1b[32m")).toBe(coloured);
  });

  it("progress has no escape code of any kind on a dumb terminal", () => {
    expect(show(SHORT, 80, { TERM: "dumb" })).not.toContain("\x1b");
  });
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [1000, "1.0 s"],
  [9949, "9.9 s"],
  [9999, "10 s"],
  [59_499, "59 s"],
  [59_999, "1 min"],
  [119_999, "2 min"],
  [125_000, "2 min 5 s"],
])("a duration of %p ms is written as %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

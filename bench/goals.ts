import { byTurns } from "./parts/local.ts";
import type { Language } from "./project.ts";
import { FLOOR, OURS, PEER, type Row, valuesOf } from "./rows.ts";
import { median, ratio } from "./statistics.ts";

/** Something that ought to hold, and what was measured of it. */
export interface Goal {
  readonly text: string;
  readonly atMost: number;
  readonly measured: number;
  readonly met: boolean;
}

type Find = (work: string, tool?: string) => Row | undefined;

/** The goals of which this run has measured something. None makes the run fail. */
export function judge(rows: readonly Row[]): readonly Goal[] {
  const find: Find = (work, tool = OURS) => rows.find((row) => row.work === work && row.tool === tool);
  return [...localGoals(find), ...lambdaGoals(find), ...synthGoals(find)].flatMap(
    ([text, atMost, measured]) =>
      measured === undefined ? [] : [{ text, atMost, measured, met: measured <= atMost }],
  );
}

export function renderGoals(goals: readonly Goal[]): string {
  return goals
    .map(({ text, atMost, measured, met }) => {
      const digits = atMost < 2 ? 2 : 0;
      return `- ${met ? "met" : "NOT met"}: ${text}: ${measured.toFixed(digits)} (at most ${atMost})`;
    })
    .join("\n");
}

type Candidate = readonly [text: string, atMost: number, measured: number | undefined];

const wall = (row: Row | undefined) => row && median(valuesOf(row, "wallMs"));
const peak = (row: Row | undefined) => row && median(valuesOf(row, "peakMb"));

function localGoals(find: Find): readonly Candidate[] {
  const many = "1,000 TS, nothing to do";
  const [ts, sql] = ["1,000 TS, fresh", "1,000 SQL, fresh"];
  const perMigration = "round trips per SQL migration";
  const flat = (language: Language) =>
    ratio(wall(find(byTurns(language, 1_000))), wall(find(byTurns(language, 1))));
  return [
    ["nothing to do, 1,000 TS ÷ 1 TS, wall", 1.15, flat("TS")],
    ["nothing to do, 1,000 SQL ÷ 1 SQL, wall", 1.15, flat("SQL")],
    ["nothing to do, 1,000 TS ÷ node-pg-migrate, wall", 0.6, ratio(wall(find(many)), wall(find(many, PEER)))],
    ["fresh, 1,000 TS ÷ node-pg-migrate, wall", 0.5, ratio(wall(find(ts)), wall(find(ts, PEER)))],
    ["fresh, 1,000 TS ÷ psql, wall", 1.5, ratio(wall(find(ts)), wall(find(ts, FLOOR)))],
    ["fresh, 1,000 SQL ÷ psql, wall", 1.5, ratio(wall(find(sql)), wall(find(sql, FLOOR)))],
    [
      "fresh, 1,000 TS ÷ node-pg-migrate with SQL, peak memory",
      1,
      ratio(peak(find(ts)), peak(find(sql, PEER))),
    ],
    ["fresh, 1,000 SQL ÷ node-pg-migrate, peak memory", 1, ratio(peak(find(sql)), peak(find(sql, PEER)))],
    [
      "round trips per SQL migration ÷ node-pg-migrate",
      0.5,
      ratio(find(perMigration)?.roundTrips, find(perMigration, PEER)?.roundTrips),
    ],
  ];
}

function lambdaGoals(find: Find): readonly Candidate[] {
  const init = "Lambda, 1,000 TS, init, one core";
  const [ts, sql] = ["TS", "SQL"].map((language) => find(`Lambda, 1,000 ${language}, nothing to do`));
  return [
    ["Lambda init with 1,000 TS on one core, wall ms", 60, wall(find(init))],
    ["Lambda with nothing to do, statements", 4, ts?.statements],
    ["Lambda with nothing to do and 1,000 TS, peak MB", 110, peak(ts)],
    ["Lambda with nothing to do and 1,000 SQL, peak MB", 110, peak(sql)],
  ];
}

function synthGoals(find: Find): readonly Candidate[] {
  const against = (what: string, when: string) =>
    ratio(wall(find(`${what}, 1,000 TS, ${when}`)), wall(find(`${what}, 1 TS, ${when}`)));
  return ["synth of an app", "its asset alone"].flatMap((what) =>
    ["first", "repeated"].map(
      (when): Candidate => [`${what}, ${when}, 1,000 ÷ 1, wall`, 1.5, against(what, when)],
    ),
  );
}

import { median, type Times } from "./rounds.ts";

/** A figure that the bench is for: met when `measured` is at most `atMost`. */
export interface Goal {
  readonly text: string;
  readonly atMost: number;
  /** Undefined when one of its sides could not be measured. */
  readonly measured: number | undefined;
}

/** One piece of work: what each contender took for it, and the goals it is held against. */
export interface Section {
  readonly title: string;
  readonly times: ReadonlyMap<string, Times>;
  readonly goals: readonly Goal[];
  /** What else the table of times shows of a contender. */
  readonly columns?: readonly Column[];
}

export interface Column {
  readonly head: string;
  value(contender: string): string;
}

/** The times of a section as Markdown. */
export function renderTimes({ title, times, columns = [] }: Section): string {
  const row = (first: string, cells: readonly string[]) => `| ${[first, ...cells].join(" | ")} |`;
  const rows = [...times].map(([name, time]) =>
    row(name, [timesOf(time), ...columns.map((column) => column.value(name))]),
  );
  const heads = ["median ms", "least", "greatest", ...columns.map(({ head }) => head)];
  return [
    `${title}:`,
    "",
    row("", heads),
    row(
      "---",
      heads.map(() => "---:"),
    ),
    ...rows,
  ].join("\n");
}

function timesOf({ ms, failure }: Times): string {
  const middle = median(ms);
  if (middle === undefined) return `failed: ${failure?.replace(/\s+/g, " ").slice(0, 200) ?? "not run"} | |`;
  return [middle, Math.min(...ms), Math.max(...ms)].map(formatMs).join(" | ");
}

function formatMs(ms: number): string {
  return Math.round(ms).toLocaleString("en");
}

/** All goals as a Markdown table. */
export function renderGoals(sections: readonly Section[]): string {
  const rows = sections.flatMap(({ title, goals }) =>
    goals.map(
      (goal) => `| ${title} | ${goal.text} | ${formatMeasured(goal)} | ${goal.atMost} | ${verdictOn(goal)} |`,
    ),
  );
  const header = ["| Work | Figure | Measured | At most | |", "| --- | --- | ---: | ---: | --- |"];
  return [...header, ...rows].join("\n");
}

function formatMeasured({ measured }: Goal): string {
  if (measured === undefined) return "";
  return Number.isInteger(measured) ? String(measured) : measured.toFixed(2);
}

export function verdictOn({ measured, atMost }: Goal): "met" | "missed" | "not measured" {
  if (measured === undefined) return "not measured";
  return measured <= atMost ? "met" : "missed";
}

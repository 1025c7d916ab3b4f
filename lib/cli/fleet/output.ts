import type { FleetEvent } from "../../client/index.ts";
import { isErrorCode } from "../../core/index.ts";
import {
  type FleetSummary,
  type FleetTarget,
  groupBy,
  type Outcome,
  serverOf,
  type VersionCount,
  type Wave,
} from "../../fleet/index.ts";
import {
  amount,
  type Colors,
  clip,
  colorsFor,
  duration,
  listNames,
  type Printer,
  visibleAll,
} from "../output/printer.ts";
import { createLiveLine } from "../output/progress.ts";
import { entryOf, isTerminal, type Output, type ProcessIo } from "../process-io.ts";

export function targetsOf(count: number): string {
  return count === 1 ? "1 target" : `${count} targets`;
}

/** Shows a fleet while a command works on it: on a terminal one live line for each wave, else one line for each target. */
export function createFleetProgress(io: ProcessIo, output: Output): (event: FleetEvent) => void {
  const colors = colorsFor(io, output);
  const live = isTerminal(io, output) ? createLiveLine(output, colors) : undefined;
  const print = (text: string) => output.write(`${text}\n`);
  const tally = { done: 0, failed: 0, startedAt: 0, running: new Set<string>() };
  let current: Wave | undefined;
  const refresh = () => {
    if (current !== undefined) live?.update(`  … ${describeWave(current, tally)}`);
  };
  io.signal.addEventListener("abort", () => {
    if (typeof io.signal.reason !== "string" || current === undefined) return;
    live?.clear();
    print(colors.yellow("  cancelling: ends what runs, starts no more targets (once more to leave at once)"));
  });
  return (runEvent) => {
    const event = visibleAll(runEvent);
    switch (event.type) {
      case "wave-started":
        current = event.wave;
        Object.assign(tally, { done: 0, failed: 0, startedAt: performance.now() });
        return live?.begin(`  … ${describeWave(event.wave, tally)}`);
      case "target-started":
        tally.running.add(event.target);
        return refresh();
      case "target-ended":
        tally.running.delete(event.outcome.target);
        tally[event.outcome.outcome === "failed" ? "failed" : "done"] += 1;
        if (live === undefined) print(describeTarget(event, colors));
        return refresh();
      case "wave-ended":
        live?.end();
        current = undefined;
        return print(describeEnd(event, tally, colors));
    }
  };
}

interface Tally {
  readonly done: number;
  readonly failed: number;
  /** As `performance.now()`. */
  readonly startedAt: number;
  readonly running: ReadonlySet<string>;
}

function describeWave({ name, count }: Wave, { done, failed, running }: Tally): string {
  const failures = failed === 0 ? "" : `, ${failed} failed`;
  const now = running.size === 0 ? "" : `: ${[...running].join(", ")}`;
  return `${name}: ${done + failed} of ${count}${failures}${now}`;
}

function describeEnd(
  { wave, failed, untouched }: Extract<FleetEvent, { type: "wave-ended" }>,
  { done, startedAt }: Tally,
  colors: Colors,
): string {
  const sign = failed + untouched === 0 ? colors.green("✓") : colors.red("✗");
  return `  ${sign} ${wave.name}: ${describeCounts({ done, failed, untouched })} ${colors.dim(duration(performance.now() - startedAt))}`;
}

export function describeCounts({ done, failed, untouched }: FleetSummary["counts"]): string {
  const failures = failed > 0 ? `, ${failed} failed` : "";
  return `${done} done${failures}${untouched > 0 ? `, ${untouched} untouched` : ""}`;
}

function describeTarget(
  { outcome, durationMs }: Extract<FleetEvent, { type: "target-ended" }>,
  colors: Colors,
): string {
  const time = colors.dim(duration(durationMs));
  const { target, completed, head } = outcome;
  if (outcome.outcome === "failed") return `  ${colors.red("✗")} ${target}: ${reasonOf(outcome)} ${time}`;
  const work = completed === 0 ? "" : `${amount(completed)}, `;
  return `  ${colors.green("✓")} ${target}: ${work}${versionOf(head ?? null)} ${time}`;
}

function versionOf(head: string | null): string {
  return head === null ? "nothing is applied" : `head is ${head}`;
}

function reasonOf(outcome: Outcome): string {
  return `${kindOf(outcome)}: ${firstLineOf(outcome)}`;
}

function kindOf({ code, migration }: Outcome): string {
  return migration === undefined ? `${code}` : `${code} in ${migration}`;
}

function firstLineOf({ message = "" }: Outcome): string {
  return message.split("\n")[0] ?? "";
}

/** Names in one list. */
export const NAMES_SHOWN = 6;

/** The versions of all targets, and which targets need somebody. */
export function printSummary(
  printer: Printer,
  summary: FleetSummary,
  outcomes: readonly Outcome[],
  width: number,
): void {
  const safe = visibleAll(outcomes);
  printVersions(printer, visibleAll(summary.versions), width);
  const { colors } = printer;
  printReasons(
    printer,
    "would refuse to run",
    colors.yellow("!"),
    safe.filter(({ outcome, code }) => outcome === "done" && code !== undefined),
  );
  printReasons(
    printer,
    "failed",
    colors.red("✗"),
    safe.filter(({ outcome }) => outcome === "failed"),
  );
  const warned = safe.filter(({ warnings = [] }) => warnings.length > 0);
  const warnings = warned.flatMap((one) => one.warnings ?? []);
  if (warned.length > 0)
    printSame(printer, `${colors.yellow("!")} ${warned.length} with warnings`, warned, warnings);
  const untouched = safe.filter(({ outcome }) => outcome === "untouched").map(({ target }) => target);
  if (untouched.length > 0)
    printer.line(`${colors.yellow("-")} ${untouched.length} untouched: ${listNames(untouched, NAMES_SHOWN)}`);
}

function printVersions(printer: Printer, versions: readonly VersionCount[], width: number): void {
  if (versions.length === 0) return;
  const numbers = "  Targets  Pending".length;
  const names = versions.map(({ head }) => clip(head ?? "(nothing applied)", Math.max(20, width - numbers)));
  const longest = Math.max("Head".length, ...names.map((name) => name.length));
  printer.verbatim(printer.colors.bold(`${"Head".padEnd(longest)}  Targets  Pending`));
  for (const [index, { count, behind }] of versions.entries())
    printer.verbatim(
      `${(names[index] ?? "").padEnd(longest)}  ${String(count).padStart(7)}  ${String(behind).padStart(7)}`,
    );
}

/** What failed in the same way, with its targets. */
function printReasons(printer: Printer, what: string, sign: string, outcomes: readonly Outcome[]): void {
  for (const [kind, same] of groupBy(outcomes, kindOf)) {
    const code = same[0]?.code;
    printSame(
      printer,
      `${sign} ${same.length} ${what}`,
      same,
      same.map((one) => `${kind}: ${firstLineOf(one)}`),
    );
    if (isErrorCode(code)) printer.line(printer.colors.dim(`  More: ${entryOf(code)}`));
  }
}

/** Targets, and one message of them: each may name its own schema or database. */
function printSame(
  printer: Printer,
  what: string,
  outcomes: readonly Outcome[],
  messages: readonly string[],
): void {
  const names = outcomes.map(({ target }) => target);
  printer.line(`${what}: ${listNames(names, NAMES_SHOWN)}`);
  const others = new Set(messages).size - 1;
  printer.line(`  ${messages[0]}${others > 0 ? ` (and ${others} others like it, which --json has)` : ""}`);
}

/** Which waves there will be, such as `a canary of 1, then 49`. */
export function describeWaves(waves: readonly Wave[]): string {
  const counts = waves.map(({ name, count }) => (name === "canary" ? `a canary of ${count}` : String(count)));
  return waves.length === 1 ? "in 1 wave" : `in ${waves.length} waves, ${counts.join(", then ")}`;
}

/** The servers of targets: all of few, the first of many. */
export function describeServers(targets: readonly FleetTarget[]): string {
  const servers = [...new Set(targets.map(serverOf))];
  return servers.length === 1 ? (servers[0] ?? "") : `${servers.length} servers, ${listNames(servers, 3)},`;
}

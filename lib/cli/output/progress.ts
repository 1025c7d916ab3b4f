import { type BackfillProgress, type Observer, progressFilter, type RunEvent } from "../../core/index.ts";
import { describeProgress, describeSession } from "../../postgres/index.ts";
import { isTerminal, type Output, type ProcessIo, widthOf } from "../process-io.ts";
import { adviceFor, type Colors, clip, colorsFor, duration, visibleAll } from "./printer.ts";

const VERBS = { up: ["applying", "applied"], down: ["undoing", "undid"] } as const;
/** A shorter step would only make the line flicker. */
const FLICKER_MS = 300;
/** Words for migrations that are recorded without running SQL. */
const RECORDED = { up: "recorded as applied:", down: "took off the record:" } as const;
/** Events after which nothing runs. */
const ENDS: ReadonlySet<RunEvent["type"]> = new Set(["finished", "failed", "left-running", "measured"]);
const STARTS: ReadonlySet<RunEvent["type"]> = new Set(["started", "measuring"]);
/** Progress is reported about once a second. */
const STALE_MS = 4_000;
const ERASE_LINE = "\r\x1b[2K";

/** Shows a run while it happens: one line for each migration, which a terminal shows from its start and rewrites. */
export function createProgress(io: ProcessIo, output: Output): Observer {
  const colors = colorsFor(io, output);
  const live = isTerminal(io, output) ? createLiveLine(output, colors) : undefined;
  const print = (text: string): void => {
    live?.clear();
    output.write(`${text}\n`);
    live?.show();
  };
  const plain = reportWhenSlow((text) => print(colors.dim(text)));
  const running = live ?? plain;
  const building = live === undefined ? plain : reportWhenSlow(live.begin, FLICKER_MS);
  let isRunning = false;
  io.signal.addEventListener("abort", () => {
    // An error in a migration aborts too; it is reported at the end.
    if (typeof io.signal.reason !== "string") return;
    const what = isRunning ? ": stops the running statement" : "";
    print(colors.yellow(`  cancelling${what} (once more to leave at once)`));
  });
  const isNews = progressFilter();
  let serverMessage = "";
  return (runEvent) => {
    const event = visibleAll(runEvent);
    if (STARTS.has(event.type)) isRunning = true;
    if (ENDS.has(event.type)) isRunning = false;
    if (event.type === "server-starting") {
      // The connection is tried many times; the same message is printed once.
      if (event.message === serverMessage) return;
      serverMessage = event.message;
    }
    if (event.type === "building" || event.type === "measuring") return building.begin(describeWork(event));
    if (event.type === "built" || event.type === "measured") {
      building.end();
      return running.end();
    }
    if (event.type === "started") return running.begin(describeWork(event));
    if (event.type === "progress" || event.type === "backfill") {
      const detail = event.type === "progress" ? describeProgress(event) : describeBackfill(event);
      if (live !== undefined) return live.extend(`: ${detail}`);
      if (!isNews(event)) return;
    }
    if (ENDS.has(event.type)) running.end();
    print(describe(event, colors));
  };
}

/** The line about the current step. It never wraps, because only one line can be erased. */
export function createLiveLine(output: Output, colors: Colors) {
  let current: { text: string; startedAt: number; timer: NodeJS.Timeout } | undefined;
  let progress = { text: "", at: 0 };
  const clear = () => {
    if (current !== undefined) output.write(ERASE_LINE);
  };
  const show = () => {
    if (current === undefined) return;
    const elapsed = performance.now() - current.startedAt;
    const time = elapsed < 1000 ? "" : ` ${duration(Math.floor(elapsed / 1000) * 1000)}`;
    // The next statement of the migration may have begun.
    const detail = performance.now() - progress.at > STALE_MS ? "" : progress.text;
    const text = clip(current.text + detail, widthOf(output) - 1 - time.length);
    output.write(`${ERASE_LINE}${colors.dim(text + time)}`);
  };
  return {
    clear,
    show,
    begin: (text: string) => {
      clearInterval(current?.timer);
      const timer = setInterval(show, 1000).unref();
      current = { text, startedAt: performance.now(), timer };
      progress = { text: "", at: 0 };
      show();
    },
    /** Shows another text for the same step. */
    update: (text: string) => {
      if (current !== undefined) current.text = text;
      show();
    },
    /** Says how far the current step has come. */
    extend: (text: string) => {
      progress = { text, at: performance.now() };
      show();
    },
    end: () => {
      clear();
      clearInterval(current?.timer);
      current = undefined;
    },
  };
}

type Work = Extract<RunEvent, { type: "started" | "building" | "measuring" }>;

function describeWork(event: Work): string {
  const { type, migration } = event;
  switch (type) {
    case "building":
      return `  … building the SQL of ${migration} (${event.direction})`;
    case "measuring":
      return `  … ${placeOf(event)}measuring ${migration}`;
    case "started":
      return `  … ${placeOf(event)}${VERBS[event.direction][0]} ${migration}`;
  }
}

/** Empty for a run with one migration. */
function placeOf({ number, total }: { readonly number: number; readonly total: number }): string {
  return total === 1 ? "" : `[${String(number).padStart(String(total).length)}/${total}] `;
}

/** Reports slow steps only, for commands whose output is not about single migrations. */
export function createWatch(io: ProcessIo, output: Output): Observer {
  const colors = colorsFor(io, output);
  const slow = reportWhenSlow((text) => output.write(`${colors.dim(text)}\n`));
  return (event) => {
    if (event.type === "started" || event.type === "building") slow.begin(describeWork(event));
    if (event.type === "built" || event.type === "finished" || event.type === "failed") slow.end();
  };
}

function describe(
  event: Exclude<RunEvent, { type: "started" | "building" | "built" | "measuring" | "measured" }>,
  colors: Colors,
): string {
  switch (event.type) {
    case "finished": {
      const verb = event.recorded ? RECORDED[event.direction] : VERBS[event.direction][1];
      return `  ${colors.green("✓")} ${placeOf(event)}${verb} ${event.migration} ${colors.dim(duration(event.durationMs))}`;
    }
    case "failed":
      return `  ${colors.red("✗")} ${event.migration}`;
    case "lock-wait": {
      const { lock, holder } = event;
      const held = holder === null ? "" : `: the lock of ${lock} is held by ${describeSession(holder)}`;
      return colors.yellow(
        `  waiting up to ${duration(Math.ceil(event.waitMs / 1000) * 1000)} for another run to finish${held}`,
      );
    }
    case "blocked":
      return colors.yellow(`  blocked by ${event.by.map(describeSession).join("; ")}`);
    case "progress":
      return colors.dim(`  … ${event.migration}: ${describeProgress(event)}`);
    case "backfill":
      return colors.dim(`  … ${event.migration}: ${describeBackfill(event)}`);
    case "left-running":
      return colors.yellow(
        `  … ${event.migration}: time is up; the server goes on with statement ${event.statement} (pid ${event.pid})`,
      );
    case "settled":
      return colors.dim(
        `  … ${event.migration}: statement ${event.statement} took effect in the background; it is not run again`,
      );
    case "retry": {
      const { migration, attempt, attempts, waitMs, reason } = event;
      return colors.yellow(`  ${migration}: ${reason}; try ${attempt} of ${attempts} in ${duration(waitMs)}`);
    }
    case "server-starting":
      return colors.dim(`  waiting for the server: ${event.message}`);
    case "notice":
      return colors.dim(`  ${event.severity.toLowerCase()}: ${event.message.replaceAll("\n", "\n    ")}`);
    case "warning": {
      const advice = event.finding === undefined ? "" : `\n    ${adviceFor(event.finding.hint)}`;
      return colors.yellow(`  warning: ${event.message}`) + colors.dim(advice);
    }
  }
}

/** A backfill that is under way: its rows, and how long the rest takes. */
export function describeBackfill(event: Extract<RunEvent, { type: "backfill" }>): string {
  const { rows, waitsFor } = event;
  const waiting = waitsFor === null ? "" : `; waits for ${waitsFor}`;
  return `${shareOf(event)}${waiting} (${rows.toLocaleString("en")} rows)`;
}

/** Such as `62 %, about 3 min left`. */
export function shareOf({ percent, leftMs }: BackfillProgress): string {
  return leftMs === null ? `${percent} %` : `${percent} %, about ${duration(leftMs)} left`;
}

/** After this time without output, a reader wonders whether the command hangs. */
export const SLOW_MS = 5_000;

/** Prints what is being done once it takes long, for output that cannot be rewritten. */
export interface SlowReport {
  begin(text: string): void;
  end(): void;
}

export function reportWhenSlow(print: (text: string) => void, afterMs = SLOW_MS): SlowReport {
  let timer: NodeJS.Timeout | undefined;
  const end = () => clearTimeout(timer);
  return {
    begin: (text) => {
      end();
      timer = setTimeout(() => print(text), afterMs).unref();
    },
    end,
  };
}

import type { Observer, RunEvent } from "../../core/index.ts";
import { describeSession } from "../../postgres/index.ts";
import { isTerminal, type Output, type World, widthOf } from "../world.ts";
import { duration } from "./duration.ts";
import { type Colors, colorsFor } from "./printer.ts";
import { createSignOfLife } from "./sign-of-life.ts";
import { visibleAll } from "./visible.ts";
import { clip } from "./width.ts";

const VERBS = { up: ["applying", "applied"], down: ["undoing", "undid"] } as const;
const BLINK_MS = 300;
/** Without running any SQL. */
const RECORDED = { up: "recorded as applied:", down: "took off the record:" } as const;
const ERASE_LINE = "\r\x1b[2K";

/** Shows a run while it happens: one line a migration, on a terminal from its start and rewritten in place. */
export function createProgress(world: World, output: Output): Observer {
  const colors = colorsFor(world, output);
  const live = isTerminal(world, output) ? createLiveLine(output, colors) : undefined;
  const print = (text: string): void => {
    live?.clear();
    output.write(`${text}\n`);
    live?.show();
  };
  const plainly = createSignOfLife((text) => print(colors.dim(text)));
  const running = live ?? plainly;
  // Mostly over before a line could be read.
  const building = live === undefined ? plainly : createSignOfLife(live.begin, BLINK_MS);
  world.signal.addEventListener("abort", () => {
    // An error of a migration stops a run too; it is told at the end.
    if (typeof world.signal.reason !== "string") return;
    print(colors.yellow("  cancelling: stops the running statement (once more to leave at once)"));
  });
  let serverSays = "";
  return (told) => {
    const event = visibleAll(told);
    if (event.type === "server-starting") {
      // It is asked again and again; once is enough for a log.
      if (event.message === serverSays) return;
      serverSays = event.message;
    }
    if (event.type === "building") return building.begin(describeWork(event));
    if (event.type === "built") {
      building.end();
      return running.end();
    }
    if (event.type === "started") return running.begin(describeWork(event));
    if (event.type === "finished" || event.type === "failed") running.end();
    print(describe(event, colors));
  };
}

/** The line of what is being done now. It never wraps: only one line can be erased. */
function createLiveLine(output: Output, colors: Colors) {
  let current: { text: string; startedAt: number; timer: NodeJS.Timeout } | undefined;
  const clear = () => {
    if (current !== undefined) output.write(ERASE_LINE);
  };
  const show = () => {
    if (current === undefined) return;
    const elapsed = performance.now() - current.startedAt;
    const time = elapsed < 1000 ? "" : ` ${duration(Math.floor(elapsed / 1000) * 1000)}`;
    const text = clip(current.text, widthOf(output) - 1 - time.length);
    output.write(`${ERASE_LINE}${colors.dim(text + time)}`);
  };
  return {
    clear,
    show,
    begin: (text: string) => {
      clearInterval(current?.timer);
      current = { text, startedAt: performance.now(), timer: setInterval(show, 1000).unref() };
      show();
    },
    end: () => {
      clear();
      clearInterval(current?.timer);
      current = undefined;
    },
  };
}

type Work = Extract<RunEvent, { type: "started" | "building" }>;

function describeWork({ type, migration, direction }: Work): string {
  return type === "building"
    ? `  … building the SQL of ${migration} (${direction})`
    : `  … ${VERBS[direction][0]} ${migration}`;
}

/** Says only what takes long, for commands whose output is not about single migrations. */
export function createWatch(world: World, output: Output): Observer {
  const colors = colorsFor(world, output);
  const underWay = createSignOfLife((text) => output.write(`${colors.dim(text)}\n`));
  return (event) => {
    if (event.type === "started" || event.type === "building") underWay.begin(describeWork(event));
    if (event.type === "built" || event.type === "finished" || event.type === "failed") underWay.end();
  };
}

function describe(
  event: Exclude<RunEvent, { type: "started" | "building" | "built" }>,
  colors: Colors,
): string {
  switch (event.type) {
    case "finished": {
      const verb = event.recorded ? RECORDED[event.direction] : VERBS[event.direction][1];
      return `  ${colors.green("✓")} ${verb} ${event.migration} ${colors.dim(duration(event.durationMs))}`;
    }
    case "failed":
      return `  ${colors.red("✗")} ${event.migration}`;
    case "lock-wait": {
      const holder = event.holder === null ? "" : `: ${describeSession(event.holder)}`;
      return colors.yellow(
        `  waiting up to ${duration(Math.ceil(event.waitMs / 1000) * 1000)} for another run to finish${holder}`,
      );
    }
    case "blocked":
      return colors.yellow(`  blocked by ${event.by.map(describeSession).join("; ")}`);
    case "retry": {
      const { migration, attempt, attempts, waitMs, reason } = event;
      return colors.yellow(`  ${migration}: ${reason}; try ${attempt} of ${attempts} in ${duration(waitMs)}`);
    }
    case "server-starting":
      return colors.dim(`  waiting for the server: ${event.message}`);
    case "notice":
      return colors.dim(`  ${event.severity.toLowerCase()}: ${event.message.replaceAll("\n", "\n    ")}`);
    case "warning":
      return colors.yellow(`  warning: ${event.message}`);
  }
}

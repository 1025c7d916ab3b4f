// Measures what the project promises about its speed, and prints each figure beside its goal: see docs/performance.md.
import { availableParallelism, cpus, loadavg } from "node:os";
import { measureBackfill } from "./backfill.ts";
import { measureFresh, measureNoOp } from "./command-line.ts";
import type { Context } from "./commands.ts";
import { measureDeploy } from "./deploy.ts";
import { measureFleet } from "./fleet.ts";
import { type Options, type Part, parseOptions, USAGE } from "./options.ts";
import { renderGoals, renderTimes, type Section } from "./report.ts";
import { type Server, startServer } from "./server.ts";
import { measureTesting } from "./testing.ts";

const MEASURE: Record<Part, (context: Context) => AsyncGenerator<Section>> = {
  fresh: measureFresh,
  "no-op": measureNoOp,
  deploy: measureDeploy,
  testing: measureTesting,
  backfill: measureBackfill,
  fleet: measureFleet,
};

async function measure({ short, parts, trees }: Options): Promise<void> {
  const server = await startServer();
  process.once("SIGINT", () => void server.stop().finally(() => process.exit(130)));
  const sections: Section[] = [];
  try {
    print(conditions(server));
    for (const part of parts) {
      for await (const section of MEASURE[part]({ server, trees, short })) {
        sections.push(section);
        if (section.times.size > 0) print(`\n${renderTimes(section)}`);
      }
    }
  } finally {
    print(`\n${renderGoals(sections)}\n\nLoad at the end: ${load()}.`);
    await server.stop();
  }
}

function conditions({ settings }: Server): string {
  const processor = cpus()[0]?.model ?? "unknown processor";
  return `Node ${process.version}, ${process.platform}, ${availableParallelism()} × ${processor}, load ${load()}.
Postgres: ${settings}.`;
}

function load(): string {
  return loadavg()
    .map((value) => value.toFixed(1))
    .join(" ");
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

if (process.argv.includes("--help")) print(USAGE);
else await measure(parseOptions(process.argv.slice(2)));

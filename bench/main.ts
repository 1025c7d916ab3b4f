import { writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { judge, renderGoals } from "./goals.ts";
import { type Options, type Part, parseOptions, USAGE } from "./options.ts";
import { copyPackage, isBuilt, removePackage } from "./package-copy.ts";
import type { Context } from "./parts/context.ts";
import { runLambda } from "./parts/lambda.ts";
import { runLocal } from "./parts/local.ts";
import { runNetwork } from "./parts/network.ts";
import { runSynth } from "./parts/synth.ts";
import { printProfiles } from "./profile.ts";
import { FLOOR, type Row } from "./rows.ts";
import { type Server, startServer } from "./server.ts";
import { renderTable } from "./table.ts";
import { findTools } from "./tools.ts";

const RUN: Record<Part, (context: Context) => Promise<readonly Row[]>> = {
  local: runLocal,
  network: runNetwork,
  lambda: runLambda,
  synth: runSynth,
};

const print = (text: string) => process.stdout.write(`${text}\n`);
const say = (text: string) => process.stderr.write(`… ${text}\n`);

function readOptions(): Options | undefined {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}\n`);
    return undefined;
  }
}

async function run(options: Options): Promise<void> {
  if (!isBuilt()) {
    process.stderr.write("there is no dist/: run `npm run build` first\n");
    process.exitCode = 1;
    return;
  }
  copyPackage();
  const server = await startServer();
  try {
    print(conditions(server));
    const context = { server, options, say };
    await (options.profile ? printProfiles(context, print) : compare(context));
    print(`\nLoad at the end: ${load()}.`);
  } finally {
    await server.stop();
    removePackage();
  }
}

async function compare(context: Context): Promise<void> {
  const { parts, json } = context.options;
  const rows: Row[] = [];
  for (const part of parts) rows.push(...(await runPart(part, context)));
  const goals = judge(rows);
  print(`\n${renderTable(rows)}`);
  if (goals.length > 0) print(`\n${renderGoals(goals)}`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ rows, goals }, undefined, 2)}\n`);
}

/** What the others have measured should not be lost with one. */
async function runPart(part: Part, context: Context): Promise<readonly Row[]> {
  try {
    return await RUN[part](context);
  } catch (error) {
    say(`${part} failed: ${error instanceof Error ? error.stack : error}`);
    process.exitCode = 1;
    return [];
  }
}

function conditions({ settings }: Server): string {
  const model = cpus()[0]?.model ?? "unknown processor";
  const missing = findTools().some(({ name }) => name === FLOOR) ? "" : " No psql on the PATH: no floor.";
  return `Node ${process.version}, ${process.platform}, ${availableParallelism()} × ${model}, load ${load()}.
Postgres: ${settings}.${missing}`;
}

function load(): string {
  return loadavg()
    .map((value) => value.toFixed(1))
    .join(" ");
}

if (process.argv.includes("--help")) {
  print(USAGE);
} else {
  const options = readOptions();
  if (options === undefined) process.exitCode = 2;
  else await run(options);
}

import { takeTurns } from "../contest.ts";
import { measure } from "../measure.ts";
import { type Language, makeProject, type Project } from "../project.ts";
import { startRelay } from "../relay.ts";
import { OURS, type Row } from "../rows.ts";
import type { Address, Server } from "../server.ts";
import { findTools, type Tool } from "../tools.ts";
import { relationsAfter } from "../work.ts";
import type { Context } from "./context.ts";

const SIZES = [1, 100, 1_000, 5_000];
const SHORT_SIZES = [1, 100];
/** Counting asks for a run of its own; the numbers of large sizes would say nothing new. */
const LARGEST_COUNTED = 100;

/** The command lines of all tools against a server on this machine. */
export async function runLocal(context: Context): Promise<readonly Row[]> {
  const { options } = context;
  const sizes = options.sizes ?? (options.short ? SHORT_SIZES : SIZES);
  const rows: Row[] = [];
  for (const language of ["TS", "SQL"] as const) {
    const benches = sizes.map((size) => prepare(context, language, size));
    try {
      for (const bench of benches) rows.push(...(await compare(bench)));
      rows.push(...(await compareSizes(benches, language)));
    } finally {
      for (const { project } of benches) project.remove();
    }
  }
  return rows;
}

function nameOf(language: Language, size: number, what: string): string {
  return `${size.toLocaleString("en")} ${language}, ${what}`;
}

/** What runs with nothing to do are called where sizes take turns. */
export function byTurns(language: Language, size: number): string {
  return nameOf(language, size, "nothing to do, sizes by turns");
}

/** Large sizes take long, and their runs differ little. */
function roundsFor(size: number, runs: number): number {
  if (size < 1_000) return runs;
  return size < 5_000 ? Math.ceil(runs / 2) : Math.ceil(runs / 5);
}

interface Bench extends Context {
  readonly project: Project;
  readonly rounds: number;
  readonly tools: readonly Tool[];
  /** A database that each tool has brought up to the end. */
  readonly done: Map<Tool, Address>;
}

function prepare(context: Context, language: Language, size: number): Bench {
  const wanted = context.options.tools;
  const tools = findTools().filter(
    ({ name, languages }) => languages.includes(language) && (wanted?.includes(name) ?? true),
  );
  const project = makeProject(language, size);
  return { ...context, project, tools, rounds: roundsFor(size, context.options.runs), done: new Map() };
}

async function compare(bench: Bench): Promise<readonly Row[]> {
  const { project, tools, done } = bench;
  const fresh = await runFresh(bench, tools, nameOf(project.language, project.count, "fresh"));
  const again = tools.filter((tool) => tool.again && done.has(tool));
  return [
    ...fresh,
    ...(await runAgain(bench, again, nameOf(project.language, project.count, "nothing to do"))),
  ];
}

/** Whether the cost grows with the number of migrations shows only where all numbers meet the same machine. */
async function compareSizes(benches: readonly Bench[], language: Language): Promise<readonly Row[]> {
  const contenders = benches.flatMap(({ project, tools, done }) => {
    const tool = tools.find(({ name }) => name === OURS);
    const database = tool && done.get(tool);
    return tool === undefined || database === undefined ? [] : [{ project, tool, database }];
  });
  const [first] = benches;
  if (first === undefined || contenders.length < 2) return [];
  first.say(`${language}, nothing to do, sizes by turns`);
  const outcomes = await takeTurns(contenders, 5 * first.options.runs, ({ project, tool, database }) =>
    measure(tool.command(project, database)),
  );
  return [...outcomes].map(([{ project }, { costs }]) => ({
    ...{ work: byTurns(language, project.count), tool: OURS, costs },
  }));
}

/** On an empty database, with nothing compiled or remembered. */
async function runFresh(bench: Bench, tools: readonly Tool[], work: string): Promise<readonly Row[]> {
  const { server, project, rounds, done, say } = bench;
  say(work);
  const outcomes = await takeTurns(tools, rounds, async (tool) => {
    project.cool();
    const database = await server.fresh();
    const cost = await measure(tool.command(project, database));
    await check(server, database, project.count);
    done.set(tool, database);
    return cost;
  });
  const counted = await countAll(
    bench,
    tools.filter((tool) => done.has(tool)),
    () => server.fresh(),
  );
  return toRows(work, outcomes, counted);
}

/** On a database where all is done, with whatever a tool has remembered of earlier runs. */
async function runAgain(bench: Bench, tools: readonly Tool[], work: string): Promise<readonly Row[]> {
  const { project, rounds, done, say } = bench;
  say(work);
  const databaseOf = (tool: Tool) => {
    const database = done.get(tool);
    if (database === undefined) throw new Error("nothing was applied before");
    return database;
  };
  const once = (tool: Tool) => measure(tool.command(project, databaseOf(tool)));
  await takeTurns(tools, 1, once);
  const outcomes = await takeTurns(tools, rounds, once);
  const counted = await countAll(bench, tools, async (tool) => databaseOf(tool));
  return toRows(work, outcomes, counted);
}

interface Counted {
  readonly statements: number;
  readonly roundTrips: number;
}

/** A run of its own for each tool: the server's log and the relay would cost time. */
async function countAll(
  { server, project, say }: Bench,
  tools: readonly Tool[],
  databaseFor: (tool: Tool) => Promise<Address>,
): Promise<ReadonlyMap<Tool, Counted>> {
  const counted = new Map<Tool, Counted>();
  if (project.count > LARGEST_COUNTED) return counted;
  for (const tool of tools) {
    try {
      counted.set(tool, await countOne(server, project, tool, await databaseFor(tool)));
    } catch (error) {
      say(`counting ${tool.name} failed: ${error}`);
    }
  }
  return counted;
}

export async function countOne(
  server: Server,
  project: Project,
  tool: Tool,
  database: Address,
): Promise<Counted> {
  const relay = await startRelay(database, 0);
  try {
    const through = { ...database, port: relay.port };
    const statements = await server.count(database, () => measure(tool.command(project, through)));
    return { statements, roundTrips: relay.turns };
  } finally {
    await relay.close();
  }
}

/** A tool that did less would be faster. */
async function check(server: Server, database: Address, count: number): Promise<void> {
  const [row] = await server.query(
    database,
    "SELECT count(*)::int AS found FROM pg_class WHERE relkind IN ('r', 'i') AND relname LIKE 'item\\_%'",
  );
  const expected = relationsAfter(count);
  if (row?.["found"] !== expected)
    throw new Error(`left ${row?.["found"]} tables and indexes, not ${expected}`);
}

function toRows(
  work: string,
  outcomes: Awaited<ReturnType<typeof takeTurns<Tool>>>,
  counted: ReadonlyMap<Tool, Counted>,
): readonly Row[] {
  return [...outcomes].map(([tool, { costs, failure }]) => ({
    ...{ work, tool: tool.name, costs, ...counted.get(tool) },
    ...(failure === undefined ? {} : { remark: `failed: ${failure.replace(/\s+/g, " ").slice(0, 120)}` }),
  }));
}

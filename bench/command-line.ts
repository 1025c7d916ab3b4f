import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type Context, nodePgMigrate, ours, psql, type Tool, type Tree, time } from "./commands.ts";
import { type Language, makeProject, type Project } from "./project.ts";
import type { Goal, Section } from "./report.ts";
import { type Contender, ratio, type Times, takeTurns } from "./rounds.ts";
import type { Database, Server } from "./server.ts";

const PEER = "node-pg-migrate up";
const PSQL_EACH = "psql -f, a transaction for each";
const PSQL_ALL = "psql -1 -f";
const LARGEST = 5_000;

/** A tool with a copy of the folder that no other tool works in. */
interface Entry {
  readonly name: string;
  readonly tool: Tool;
  readonly project: Project;
}

/** `up` on empty databases, with nothing compiled or remembered of the migrations. */
export async function* measureFresh(context: Context): AsyncGenerator<Section> {
  const { short, trees } = context;
  // A checkout compiles its command line when it is first used.
  for (const { root } of trees) spawnSync(process.execPath, [join(root, "bin", "run.mjs"), "--version"]);
  for (const count of short ? [100] : [100, 1_000]) yield await freshSql(context, count);
  yield await freshTypeScript(context, short ? 100 : 1_000);
  if (short) return;
  for (const language of ["SQL", "TS"] as const) {
    const tools = trees.map((tree) => [up(tree), ours(tree)] as const);
    const times = await raceFresh(context, language, LARGEST, 1, tools);
    // A run that does not apply all of them fails, and a failure has no time.
    const goals = trees.map((tree) => ({
      text: `${up(tree)}, runs that failed`,
      atMost: 0,
      measured: times.get(up(tree))?.failure === undefined ? 0 : 1,
    }));
    yield { title: titleOf("Fresh", LARGEST, language), times, goals };
  }
}

async function freshSql(context: Context, count: number): Promise<Section> {
  const { short, trees } = context;
  const times = await raceFresh(context, "SQL", count, short ? 3 : 5, [
    [PSQL_EACH, psql("-f", "each.psql")],
    [PSQL_ALL, psql("-1", "-f", "all.psql")],
    [PEER, nodePgMigrate],
    ...trees.map((tree) => [up(tree), ours(tree)] as const),
    ...trees.map((tree) => [upAll(tree), ours(tree, "--transaction", "all")] as const),
  ]);
  const goals = trees.flatMap((tree) => [
    goal(times, up(tree), PSQL_EACH, 1.25),
    goal(times, upAll(tree), PEER, 0.8),
    goal(times, upAll(tree), PSQL_ALL, 1.5),
  ]);
  return { title: titleOf("Fresh", count, "SQL"), times, goals };
}

async function freshTypeScript(context: Context, count: number): Promise<Section> {
  const { short, trees } = context;
  const times = await raceFresh(context, "TS", count, short ? 3 : 5, [
    [PEER, nodePgMigrate],
    ...trees.map((tree) => [up(tree), ours(tree)] as const),
  ]);
  const goals = trees.map((tree) => goal(times, up(tree), PEER, 0.5));
  return { title: titleOf("Fresh", count, "TS"), times, goals };
}

/** `up` on databases that have everything, with whatever the tools remember of earlier runs. */
export async function* measureNoOp(context: Context): AsyncGenerator<Section> {
  const { short, trees, server } = context;
  const large = short ? 100 : 1_000;
  const nameOf = (tree: Tree, count: number) => `${up(tree)}, ${format(count)} applied`;
  for (const language of short ? (["TS"] as const) : (["SQL", "TS"] as const)) {
    const entries = [
      makeEntry(PEER, nodePgMigrate, language, large),
      ...[1, large].flatMap((count) =>
        trees.map((tree) => makeEntry(nameOf(tree, count), ours(tree), language, count)),
      ),
    ];
    try {
      const contenders: Contender[] = [];
      for (const entry of entries) contenders.push(await prepareNoOp(server, entry));
      const times = await takeTurns(contenders, short ? 5 : 15);
      const goals = trees.flatMap((tree) => [
        goal(times, nameOf(tree, large), nameOf(tree, 1), 1.15),
        goal(times, nameOf(tree, large), PEER, 0.4),
      ]);
      yield { title: titleOf("No-op", large, language), times, goals };
    } finally {
      for (const { project } of entries) project.remove();
    }
  }
}

/** Applies everything, and runs once more so that the caches are warm. */
async function prepareNoOp(server: Server, { name, tool, project }: Entry): Promise<Contender> {
  const database = await server.createDatabase();
  const run = () => time(tool(database), project);
  await run();
  await run();
  return { name, run };
}

type NamedTool = readonly [name: string, tool: Tool];

async function raceFresh(
  { server }: Context,
  language: Language,
  count: number,
  rounds: number,
  tools: readonly NamedTool[],
): Promise<ReadonlyMap<string, Times>> {
  const entries = tools.map(([name, tool]) => makeEntry(name, tool, language, count));
  let expected: string | undefined;
  const contenders = entries.map(({ name, tool, project }) => ({
    name,
    async run() {
      project.clearCaches();
      const database = await server.createDatabase();
      const ms = await time(tool(database), project);
      const schema = await describeSchema(server, database);
      expected ??= schema;
      // A tool that does less is faster.
      if (schema !== expected) throw new Error(`the schema differs: ${schema}, not ${expected}`);
      return ms;
    },
  }));
  try {
    return await takeTurns(contenders, rounds);
  } finally {
    for (const { project } of entries) project.remove();
  }
}

function makeEntry(name: string, tool: Tool, language: Language, count: number): Entry {
  return { name, tool, project: makeProject(language, count) };
}

/** Counts what migrations leave: objects of each kind, and rows. */
async function describeSchema(server: Server, database: Database): Promise<string> {
  const [objects] = await server.query(
    database,
    `SELECT (SELECT count(*) FROM information_schema.columns WHERE ${OF_MIGRATIONS}) AS columns,
       (SELECT count(*) FROM information_schema.table_constraints WHERE ${OF_MIGRATIONS}) AS constraints,
       (SELECT count(*) FROM information_schema.triggers WHERE trigger_schema = 'public') AS triggers,
       (SELECT count(*) FROM information_schema.routines WHERE routine_schema = 'public') AS routines,
       (SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND tablename !~ '^pgmigrations') AS indexes,
       (SELECT string_agg(format('SELECT count(*) FROM %I', table_name), ' UNION ALL ')
        FROM information_schema.tables WHERE ${OF_MIGRATIONS} AND table_type = 'BASE TABLE') AS tables`,
  );
  const { tables, ...counts } = objects ?? {};
  const [rows] = await server.query(database, `SELECT sum(count) AS rows FROM (${tables}) AS all_tables`);
  return JSON.stringify({ ...counts, ...rows });
}

const OF_MIGRATIONS = "table_schema = 'public' AND table_name !~ '^pgmigrations'";

function goal(times: ReadonlyMap<string, Times>, tool: string, other: string, atMost: number): Goal {
  return { text: `${tool} ÷ ${other}`, atMost, measured: ratio(times, tool, other) };
}

function titleOf(work: string, count: number, language: Language): string {
  return `${work}, ${format(count)} ${language}`;
}

function format(count: number): string {
  return count.toLocaleString("en");
}

function up({ label }: Tree): string {
  return `${label} up`;
}

function upAll({ label }: Tree): string {
  return `${label} up --transaction all`;
}

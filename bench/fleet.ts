import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, type Context, cli, nodePgMigrate, ours, run, type Tree, urlOf } from "./commands.ts";
import { makeProject, type Project } from "./project.ts";
import type { Column, Goal, Section } from "./report.ts";
import { median, ratio, type Times, takeTurns } from "./rounds.ts";
import type { Database, Server } from "./server.ts";

const MIGRATIONS = 10;
/** A loop that starts a process for each schema takes minutes for more of them. */
const LARGEST_LOOP = 100;
/** Larger fleets work long enough for one round to be a measurement. */
const MANY_ROUNDS = 10;
/** The concurrency that is held against the loops. */
const COMPARED = 4;
const PEER = "node-pg-migrate, a process for each";
const TARGETS = "targets.json";
const RUNNER = fileURLToPath(new URL("runner.mjs", import.meta.url));
const PEAK = new URL("peak.mjs", import.meta.url).href;
const LIBRARY = "node-pg-migrate's runner, one process";

/** Brings every schema of a database to the end of the folder. */
interface Contender {
  readonly name: string;
  /** What does so, one command after the other. */
  commands(database: Database, schemas: readonly string[]): readonly Command[];
}

/** What a contender needed at its peak, in any round. */
interface Peak {
  sessions: number;
  /** Kilobytes of its largest process. */
  memory: number;
}

/** One size of fleet, and everybody who is measured with it. */
interface Race {
  readonly context: Context;
  readonly project: Project;
  readonly schemas: readonly string[];
  readonly contenders: readonly Contender[];
}

/** Fleets of schemas in one database, beside loops over the same schemas. */
export async function* measureFleet(context: Context): AsyncGenerator<Section> {
  const project = makeProject("SQL", MIGRATIONS);
  try {
    for (const size of context.short ? [1, 20] : [1, 10, 100, 1_000]) {
      const schemas = Array.from({ length: size }, (_, index) => `tenant_${index + 1}`);
      writeFileSync(join(project.dir, TARGETS), JSON.stringify(schemas));
      yield* measureSize({ context, project, schemas, contenders: contendersFor(context, project, size) });
    }
  } finally {
    project.remove();
  }
}

/** The no-op runs get the database of the last fresh one. */
async function* measureSize(race: Race): AsyncGenerator<Section> {
  const databases = new Map<string, Database>();
  yield measure(race, "fresh", async ({ name }) => {
    const database = await createSchemas(race);
    databases.set(name, database);
    return database;
  });
  yield measure(race, "no-op", async ({ name }) => {
    const database = databases.get(name);
    if (database === undefined) throw new Error("no fresh run");
    return database;
  });
}

async function measure(
  { context, project, schemas, contenders }: Race,
  work: string,
  open: (contender: Contender) => Promise<Database>,
): Promise<Section> {
  const { server, short } = context;
  const peaks = new Map<string, Peak>();
  const rounds = short || schemas.length > MANY_ROUNDS ? 1 : 3;
  const racers = contenders.map((contender) => ({
    name: contender.name,
    async run() {
      const database = await open(contender);
      const startedAt = performance.now();
      const peak = await runAll(server, project, database, contender.commands(database, schemas));
      const ms = performance.now() - startedAt;
      peaks.set(contender.name, highest(peak, peaks.get(contender.name)));
      await requireMigrated(server, database, schemas.length);
      return ms;
    },
  }));
  const times = await takeTurns(racers, rounds);
  const title = `Fleet of ${schemas.length.toLocaleString("en")}, ${work}`;
  const goals = context.trees.flatMap((tree) => goalsOf(tree, times, peaks));
  return { title, times, columns: columnsOf(schemas.length, times, peaks), goals };
}

function contendersFor(context: Context, project: Project, size: number): readonly Contender[] {
  const concurrencies = context.short ? [1, COMPARED] : [1, 2, COMPARED, 8, 16];
  const fleets = context.trees.flatMap((tree) =>
    concurrencies.filter((one) => one <= size).map((concurrency) => fleet(tree, concurrency)),
  );
  const library = runnerLoop(project);
  if (size > LARGEST_LOOP) return [...fleets, library];
  const peer = loop(PEER, (database, schema) => {
    const { args, ...command } = nodePgMigrate(database);
    return { ...command, args: [...args, "--schema", schema] };
  });
  const own = context.trees.map((tree) =>
    loop(loopOf(tree), (database, schema) => ours(tree, "--schema", schema)(database)),
  );
  return [...fleets, ...own, peer, library];
}

function fleet(tree: Tree, concurrency: number): Contender {
  const flags = [
    "-m",
    "migrations",
    "--targets",
    TARGETS,
    "--canary",
    "0",
    "--concurrency",
    String(concurrency),
  ];
  const tool = cli(tree, "fleet", "up", ...flags);
  return { name: fleetOf(tree, concurrency), commands: (database) => [tool(database)] };
}

/** A process for each schema, one after the other. */
function loop(name: string, command: (database: Database, schema: string) => Command): Contender {
  return { name, commands: (database, schemas) => schemas.map((schema) => command(database, schema)) };
}

/** The other tool at its best: it is loaded once. */
function runnerLoop({ dir }: Project): Contender {
  const args = [RUNNER, join(dir, "migrations")];
  return {
    name: LIBRARY,
    commands: (database, schemas) => [
      { file: process.execPath, args: [...args, ...schemas], env: { DATABASE_URL: urlOf(database) } },
    ],
  };
}

async function runAll(
  server: Server,
  project: Project,
  database: Database,
  commands: readonly Command[],
): Promise<Peak> {
  const peakFile = join(project.dir, "peak");
  const measured = {
    NODE_OPTIONS: `--import ${PEAK}`,
    BENCH_PEAK_FILE: peakFile,
  };
  rmSync(peakFile, { force: true });
  const sessions = await server.peakSessions(database, async () => {
    for (const command of commands) await run({ ...command, env: { ...command.env, ...measured } }, project);
  });
  const memory = Math.max(...readFileSync(peakFile, "utf8").trim().split("\n").map(Number));
  return { sessions, memory };
}

function highest(one: Peak, other: Peak = one): Peak {
  return {
    sessions: Math.max(one.sessions, other.sessions),
    memory: Math.max(one.memory, other.memory),
  };
}

async function createSchemas({ context: { server }, schemas }: Race): Promise<Database> {
  const database = await server.createDatabase();
  await server.query(database, schemas.map((schema) => `CREATE SCHEMA ${schema}`).join(";"));
  return database;
}

/** A tool that does less is faster. */
async function requireMigrated(server: Server, database: Database, size: number): Promise<void> {
  const [found] = await server.query(
    database,
    `SELECT count(*)::int AS schemas, count(DISTINCT columns)::int AS kinds, min(columns)::int AS columns FROM (
       SELECT count(*) AS columns FROM information_schema.columns
       WHERE table_schema ~ '^tenant_' AND table_name !~ '^pgmigrations' GROUP BY table_schema) AS each_schema`,
  );
  const expected = { schemas: size, kinds: 1, columns: COLUMNS };
  if (JSON.stringify(found) !== JSON.stringify(expected))
    throw new Error(`the schemas differ: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
}

/** Of the tables that the migrations leave in a schema. */
const COLUMNS = 13;

function columnsOf(
  size: number,
  times: ReadonlyMap<string, Times>,
  peaks: ReadonlyMap<string, Peak>,
): readonly Column[] {
  const rate = (name: string) => {
    const middle = median(times.get(name)?.ms ?? []);
    return middle === undefined ? "" : ((1000 * size) / middle).toFixed(1);
  };
  const megabytes = ({ memory }: Peak) => Math.round(memory / 1024).toString();
  const ofPeak = (show: (peak: Peak) => string) => (name: string) => {
    const peak = peaks.get(name);
    return peak === undefined ? "" : show(peak);
  };
  return [
    { head: "schemas/s", value: rate },
    { head: "connections", value: ofPeak(({ sessions }) => String(sessions)) },
    { head: "MB", value: ofPeak(megabytes) },
  ];
}

function goalsOf(
  tree: Tree,
  times: ReadonlyMap<string, Times>,
  peaks: ReadonlyMap<string, Peak>,
): readonly Goal[] {
  const name = fleetOf(tree, COMPARED);
  if (!times.has(name)) return [];
  const beside = [
    [loopOf(tree), 0.5],
    [PEER, 0.5],
    [LIBRARY, 1],
  ] as const;
  return [
    ...beside
      .filter(([other]) => times.has(other))
      .map(([other, atMost]) => ({
        text: `${name} ÷ ${other}`,
        atMost,
        measured: ratio(times, name, other),
      })),
    { text: `${name}: connections`, atMost: COMPARED, measured: peaks.get(name)?.sessions },
  ];
}

function fleetOf({ label }: Tree, concurrency: number): string {
  return `${label} fleet up, concurrency ${concurrency}`;
}

function loopOf({ label }: Tree): string {
  return `${label} up, a process for each`;
}

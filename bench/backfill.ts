import { writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { type Context, ours, psql, run, type Tool } from "./commands.ts";
import { makeProject, type Project } from "./project.ts";
import type { Section } from "./report.ts";
import type { Times } from "./rounds.ts";
import type { Database, Server } from "./server.ts";

const WRITERS = 4;
const STATEMENT = "UPDATE orders SET cents = total * 100 WHERE cents IS NULL";
const UPDATE = "one UPDATE";
const DEFAULTS = "backfill, as it is";
const UNTHROTTLED = "backfill, without throttle";
const PAUSED = "backfill, pause of 100 ms";

/** What fills a column of the table while others write it. */
interface Filling {
  readonly name: string;
  readonly tool: Tool;
  /** The file that `up` runs; undefined for psql. */
  readonly file?: string;
}

interface Measured {
  readonly ms: number;
  /** Milliseconds that each write of the others took. */
  readonly writes: readonly number[];
}

/** Backfills beside a single UPDATE: rows per second, and how long the writes of an application take meanwhile. */
export async function* measureBackfill(context: Context): AsyncGenerator<Section> {
  const { short, trees, server } = context;
  const rows = short ? 100_000 : 1_000_000;
  const [tree] = trees;
  if (tree === undefined) return;
  const settings = (...lines: readonly string[]) =>
    ["-- migrate: backfill", ...lines, `${STATEMENT} AND :batch;`].join("\n");
  const fillings: Filling[] = [
    { name: UPDATE, tool: psql("-c", STATEMENT) },
    { name: DEFAULTS, tool: ours(tree), file: settings() },
    { name: UNTHROTTLED, tool: ours(tree), file: settings("-- batch: 1_000_000", "-- target: 60 min") },
    { name: PAUSED, tool: ours(tree), file: settings("-- pause: 100 ms") },
  ];
  const project = makeProject("SQL", 1);
  const times = new Map<string, Times>();
  const waits = new Map<string, Times>();
  try {
    for (const filling of fillings) {
      const { ms, writes } = await measure(server, project, filling, rows);
      const perSecond = Math.round((1000 * rows) / ms).toLocaleString("en");
      times.set(`${filling.name}: ${perSecond} rows/s`, { ms: [ms] });
      for (const [label, share] of [
        ["median", 0.5],
        ["p99", 0.99],
        ["longest", 1],
      ] as const)
        waits.set(`${filling.name}: ${label} of ${writes.length.toLocaleString("en")}`, {
          ms: [quantile(writes, share)],
        });
    }
  } finally {
    project.remove();
  }
  const title = `Filling a column of ${rows.toLocaleString("en")} rows, ${WRITERS} clients write`;
  yield { title, times, goals: [] };
  yield { title: "A write of these clients meanwhile", times: waits, goals: [] };
}

async function measure(
  server: Server,
  project: Project,
  { tool, file }: Filling,
  rows: number,
): Promise<Measured> {
  const database = await server.createDatabase();
  await server.query(
    database,
    `CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL, cents bigint, touched int NOT NULL DEFAULT 0);
     INSERT INTO orders (id, total) SELECT n, n / 4.0 FROM generate_series(1, ${rows}) AS n;
     CREATE TABLE pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)`,
  );
  await server.query(database, "VACUUM ANALYZE orders");
  await server.query(database, "CHECKPOINT");
  if (file !== undefined) writeFileSync(join(project.dir, "migrations", "9999_fill.sql"), file);
  const clients = await Promise.all(Array.from({ length: WRITERS }, () => openWriter(database, rows)));
  const startedAt = performance.now();
  await run(tool(database), project);
  const ms = performance.now() - startedAt;
  const writes = (await Promise.all(clients.map((client) => client.stop()))).flat();
  return { ms, writes };
}

/** A client of an application that changes random rows, one after the other, with a little time between them. */
async function openWriter(database: Database, rows: number) {
  const client = new pg.Client({ ...database, ssl: false });
  await client.connect();
  const took: number[] = [];
  let running = true;
  const work = (async () => {
    while (running) {
      const startedAt = performance.now();
      const id = 1 + Math.floor(Math.random() * rows);
      await client.query("UPDATE orders SET touched = touched + 1 WHERE id = $1", [id]);
      took.push(performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await client.end();
  })();
  return {
    stop: async (): Promise<readonly number[]> => {
      running = false;
      await work;
      return took;
    },
  };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

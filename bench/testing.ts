import { join } from "node:path";
import { buildTemplate, testDatabase } from "../lib/testing.ts";
import { type Context, ours, time } from "./commands.ts";
import { makeProject } from "./project.ts";
import type { Section } from "./report.ts";
import { ratio, takeTurns } from "./rounds.ts";

const COUNT = 100;
const BARE = "connect and CREATE DATABASE";
const CLONE = "testDatabase()";

/** A migrated database for a test, beside an empty one and beside one that is migrated each time. */
export async function* measureTesting({ server, short, trees }: Context): AsyncGenerator<Section> {
  const project = makeProject("SQL", COUNT);
  const admin = { ...(await server.createDatabase()), database: "postgres" };
  const { host, port, user, password } = admin;
  const url = `postgres://${user}:${password}@${host}:${port}/postgres?sslmode=disable`;
  const options = { server: url, migrationsDir: join(project.dir, "migrations") };
  let made = 0;
  try {
    await buildTemplate(options);
    const contenders = [
      { name: BARE, run: () => timed(() => server.query(admin, `CREATE DATABASE bare_${++made}`)) },
      { name: CLONE, run: () => timed(() => testDatabase(options)) },
      ...trees.map((tree) => ({
        name: `${tree.label} up, without creating the database`,
        run: async () => time(ours(tree)(await server.createDatabase()), project),
      })),
    ];
    const times = await takeTurns(contenders, short ? 5 : 15);
    const goals = [{ text: `${CLONE} ÷ ${BARE}`, atMost: 1.5, measured: ratio(times, CLONE, BARE) }];
    yield { title: `A database for a test, ${COUNT} SQL`, times, goals };
  } finally {
    project.remove();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

import { takeTurns } from "../contest.ts";
import { measure } from "../measure.ts";
import { makeProject, type Project } from "../project.ts";
import { startRelay } from "../relay.ts";
import { OURS, PEER, type Row } from "../rows.ts";
import type { Server } from "../server.ts";
import { findTools, type Tool } from "../tools.ts";
import type { Context } from "./context.ts";
import { countOne } from "./local.ts";

const DELAYS_MS = [1, 5, 50];
const SHORT_DELAYS_MS = [5];
const COUNT = 20;
const ROUNDS = 3;
/** With so many more, the difference is what each migration costs. */
const MORE = 100;

/** The work for which the remark tells round trips per migration. */
export const PER_MIGRATION = `round trips per SQL migration`;

/** A database that is far away. */
export async function runNetwork(context: Context): Promise<readonly Row[]> {
  const tools = findTools().filter(({ name }) => name === OURS || name === PEER);
  const project = makeProject("SQL", COUNT);
  const larger = makeProject("SQL", COUNT + MORE);
  try {
    const rows: Row[] = [];
    for (const delay of context.options.short ? SHORT_DELAYS_MS : DELAYS_MS) {
      rows.push(...(await atDistance(context, project, tools, delay)));
    }
    return [...rows, ...(await perMigration(context, [project, larger], tools))];
  } finally {
    project.remove();
    larger.remove();
  }
}

async function atDistance(
  { server, say, options }: Context,
  project: Project,
  tools: readonly Tool[],
  delayMs: number,
): Promise<readonly Row[]> {
  const work = `${COUNT} SQL, fresh, ${delayMs} ms each way`;
  say(work);
  const outcomes = await takeTurns(tools, Math.min(ROUNDS, options.runs), async (tool) => {
    project.cool();
    const database = await server.fresh();
    const relay = await startRelay(database, delayMs);
    const cost = await measure(tool.command(project, { ...database, port: relay.port }));
    await relay.close();
    return cost;
  });
  return [...outcomes].map(([{ name: tool }, { costs, failure }]) => ({
    ...{ work, tool, costs },
    ...(failure === undefined ? {} : { remark: `failed: ${failure.slice(0, 120)}` }),
  }));
}

async function perMigration(
  { server, say }: Context,
  [project, larger]: readonly [Project, Project],
  tools: readonly Tool[],
): Promise<readonly Row[]> {
  say(PER_MIGRATION);
  const rows: Row[] = [];
  for (const tool of tools) {
    const [few, many] = [await count(server, project, tool), await count(server, larger, tool)];
    rows.push({
      ...{ work: PER_MIGRATION, tool: tool.name, costs: [] },
      statements: (many.statements - few.statements) / MORE,
      roundTrips: (many.roundTrips - few.roundTrips) / MORE,
    });
  }
  return rows;
}

async function count(server: Server, project: Project, tool: Tool) {
  return countOne(server, project, tool, await server.fresh());
}

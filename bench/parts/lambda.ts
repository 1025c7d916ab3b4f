import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { runChild } from "../child.ts";
import { takeTurns } from "../contest.ts";
import { makeProject, type Project } from "../project.ts";
import { startRelay } from "../relay.ts";
import { type Cost, OURS, type Row } from "../rows.ts";
import { startSecrets } from "../secrets.ts";
import type { Address } from "../server.ts";
import { stepsOf } from "../work.ts";
import { type Asset, makeAsset } from "./asset.ts";
import type { Context } from "./context.ts";

const INVOKE = fileURLToPath(new URL("../children/invoke.mjs", import.meta.url));
const SECRET = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:bench";
/** What the construct's 512 MB have of a core: Lambda gives a whole one at 1,769 MB. */
const SHARE = 512 / 1_769;

const Taken = v.object({ wallMs: v.number(), cpuMs: v.number(), peakMb: v.number() });
const Answer = v.object({ init: Taken, invocations: v.array(Taken) });
type Answer = v.InferOutput<typeof Answer>;

/** The deployed asset in plain Node: what Lambda does before and at an invocation. */
export async function runLambda(context: Context): Promise<readonly Row[]> {
  const { server, options } = context;
  const subjects: Subject[] = [];
  const projects: Project[] = [];
  try {
    for (const size of [1, options.short ? 100 : 1_000])
      projects.push(makeProject("TS", size), makeProject("SQL", size));
    for (const project of projects) subjects.push({ project, asset: await makeAsset(project, server.ca) });
    const rows = await inits(context, subjects);
    for (const subject of subjects) rows.push(...(await invocations(context, subject)));
    return rows;
  } finally {
    for (const project of projects) project.remove();
  }
}

interface Subject {
  readonly project: Project;
  readonly asset: Asset;
}

function lambdaWork({ count, language }: Project, what: string): string {
  return `Lambda, ${count.toLocaleString("en")} ${language}, ${what}`;
}

/** Node that does nothing is among them: the same code has taken half as long again a minute later. */
async function inits({ options, say }: Context, subjects: readonly Subject[]): Promise<Row[]> {
  say("Lambda, init");
  const init = async ({ asset }: Subject, share?: number) => (await invoke(asset.dir, [], {}, share)).init;
  const contenders = [
    { work: "Lambda, the start of Node alone, one core", tool: "node", once: startNode },
    ...subjects.flatMap((subject) => [
      { work: lambdaWork(subject.project, "init, one core"), tool: OURS, once: () => init(subject) },
      {
        work: lambdaWork(subject.project, `init, ${SHARE.toFixed(2)} of a core`),
        tool: OURS,
        once: () => init(subject, SHARE),
      },
    ]),
  ];
  const outcomes = await takeTurns(contenders, 3 * options.runs, ({ once }) => once());
  return [...outcomes].map(([{ work, tool }, { costs, failure }]) => {
    if (failure !== undefined) throw new Error(`${work}: ${failure}`);
    return { work, tool, costs };
  });
}

/** From outside, with all that it takes to start a process and to end it. */
async function startNode(): Promise<Cost> {
  const startedAt = performance.now();
  await runChild(["--eval", "console.log(0)"]);
  return { wallMs: performance.now() - startedAt };
}

async function invocations(
  { server, options, say }: Context,
  { project, asset }: Subject,
): Promise<readonly Row[]> {
  say(lambdaWork(project, "invocations"));
  const database = await server.fresh();
  const secrets = await startSecrets({ username: database.user, password: database.password });
  const event = eventFor(asset.hash, project.count);
  const call = (address: Address) => invoke(asset.dir, [event], environment(address, secrets.endpoint));
  try {
    const { invocations: applied } = await call(database);
    const again = await repeat(options.runs, async () => (await call(database)).invocations[0]);
    const relay = await startRelay(database, 0);
    const before = secrets.calls;
    const statements = await server.count(database, () => call({ ...database, port: relay.port }));
    await relay.close();
    const remark = `${secrets.calls - before} secret call, ${relay.connections} connection; wall without init, peak with it`;
    const work = (what: string) => ({ work: lambdaWork(project, what), tool: OURS });
    return [
      { ...work("fresh"), costs: applied },
      { ...work("nothing to do"), costs: again, statements, roundTrips: relay.turns, remark },
    ];
  } finally {
    await secrets.close();
  }
}

function environment({ host, port, database }: Address, endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoint,
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "bench",
    AWS_SECRET_ACCESS_KEY: "bench",
    DATABASE_HOST: host,
    DATABASE_PORT: String(port),
    DATABASE_NAME: database,
    DATABASE_SECRET_ARN: SECRET,
    CA_FILE: "ca.pem",
  };
}

function eventFor(hash: string, size: number): object {
  const names = stepsOf(size).map(({ name }) => name);
  return {
    RequestType: "Create",
    LogicalResourceId: "Migrations",
    StackId: "arn:aws:cloudformation:eu-central-1:111111111111:stack/bench/1",
    ResourceProperties: {
      MigrationsHash: hash,
      MigrationCount: String(size),
      Head: names.at(-1),
      Newest: names.slice(-20),
      Options: "{}",
    },
  };
}

async function invoke(
  asset: string,
  events: readonly object[],
  env: Readonly<Record<string, string>> = {},
  share?: number,
): Promise<Answer> {
  const options = { env: { LAMBDA_TASK_ROOT: asset, ...env }, ...(share === undefined ? {} : { share }) };
  return v.parse(Answer, await runChild([INVOKE, asset, JSON.stringify(events)], options));
}

async function repeat(times: number, once: () => Promise<Cost | undefined>): Promise<Cost[]> {
  const costs: Cost[] = [];
  for (let n = 0; n < times; n += 1) {
    const cost = await once();
    if (cost !== undefined) costs.push(cost);
  }
  return costs;
}

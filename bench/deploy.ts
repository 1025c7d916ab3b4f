import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as v from "valibot";
import { type Command, type Context, run, type Tree, time } from "./commands.ts";
import { makeProject, type Project } from "./project.ts";
import type { Goal, Section } from "./report.ts";
import { ratio, takeTurns } from "./rounds.ts";
import type { Database } from "./server.ts";

const APP = fileURLToPath(new URL("app.mjs", import.meta.url));
const INVOKE = fileURLToPath(new URL("invoke.mjs", import.meta.url));
const BARE_NODE = "node with an empty script";

/** Synth of an app with the built package, and the deploy function of the assembly. */
export async function* measureDeploy(context: Context): AsyncGenerator<Section> {
  const { short, trees } = context;
  const apps = trees.map((tree) => ({
    tree,
    one: makeProject("TS", 1),
    many: makeProject("TS", short ? 100 : 1_000),
  }));
  try {
    yield await measureSynth(context, apps);
    const functions = apps.map(({ tree, many }) => readFunction(tree, many));
    yield await measureInit(context, functions);
    for (const one of functions) yield await measureInvocation(context, one);
  } finally {
    for (const { one, many } of apps) for (const project of [one, many]) project.remove();
  }
}

interface App {
  readonly tree: Tree;
  readonly one: Project;
  readonly many: Project;
}

/** Everything is compiled anew, as on a CI machine. */
async function measureSynth({ server, short }: Context, apps: readonly App[]): Promise<Section> {
  const nameOf = ({ label }: Tree, { count }: Project) => `${label} synth of ${count.toLocaleString("en")}`;
  const contenders = apps.flatMap(({ tree, one, many }) =>
    [one, many].map((project) => ({
      name: nameOf(tree, project),
      run() {
        project.clearCaches();
        const entry = pathToFileURL(join(tree.root, "dist", "api", "index.mjs")).href;
        const args = [APP, entry, join(project.dir, "migrations"), join(project.dir, "cdk.out"), server.ca];
        return time({ file: process.execPath, args }, project);
      },
    })),
  );
  const times = await takeTurns(contenders, short ? 1 : 3);
  const goals = apps.map(({ tree, one, many }) => {
    const [ours, other] = [nameOf(tree, many), nameOf(tree, one)];
    return { text: `${ours} ÷ ${other}`, atMost: 1.5, measured: ratio(times, ours, other) };
  });
  return { title: "Synth of an app with TypeScript migrations", times, goals };
}

interface DeployFunction {
  readonly tree: Tree;
  readonly project: Project;
  /** URL of the module with the handler. */
  readonly handler: string;
  readonly env: Readonly<Record<string, string>>;
  /** What CloudFormation would send, as JSON. */
  readonly event: string;
}

const Template = v.object({
  Resources: v.record(
    v.string(),
    v.object({ Type: v.string(), Properties: v.optional(v.record(v.string(), v.unknown()), {}) }),
  ),
});
const Environment = v.object({ Variables: v.record(v.string(), v.string()) });

/** The deploy function and its event, from the assembly in the project. */
function readFunction(tree: Tree, project: Project): DeployFunction {
  const assembly = join(project.dir, "cdk.out");
  const asset = readdirSync(assembly)
    .filter((name) => name.startsWith("asset."))
    .map((name) => join(assembly, name))
    .find((folder) => readdirSync(folder).includes("on-deploy.mjs"));
  if (asset === undefined) throw new Error(`${assembly}: no asset has on-deploy.mjs`);
  const text = readFileSync(join(assembly, "Bench.template.json"), "utf8");
  const resources = Object.values(v.parse(Template, JSON.parse(text)).Resources);
  const deploy = resources.find(({ Properties }) => Properties["Handler"] === "on-deploy.handler");
  const migrations = resources.find(({ Type }) => Type === "Custom::PostgresMigrations");
  const { Variables } = v.parse(Environment, deploy?.Properties["Environment"]);
  return {
    tree,
    project,
    handler: pathToFileURL(join(asset, "on-deploy.mjs")).href,
    env: { LAMBDA_TASK_ROOT: asset, ...Variables },
    event: eventFrom(migrations?.Properties ?? {}),
  };
}

function eventFrom(properties: object): string {
  const event = {
    RequestType: "Create",
    LogicalResourceId: "Migrations",
    StackId: "arn:aws:cloudformation:eu-central-1:111111111111:stack/bench/1",
    ResourceProperties: properties,
  };
  // CloudFormation resolves references before it sends an event.
  const resolve = (_key: string, value: unknown) => (isReference(value) ? "resolved" : value);
  return JSON.stringify(event, resolve);
}

function isReference(value: unknown): boolean {
  return typeof value === "object" && value !== null && ("Ref" in value || "Fn::GetAtt" in value);
}

async function measureInit({ short }: Context, functions: readonly DeployFunction[]): Promise<Section> {
  const bare = functions.slice(0, 1).map(({ project }) => ({
    name: BARE_NODE,
    run: () => time({ file: process.execPath, args: ["--eval", ""] }, project),
  }));
  const inits = functions.map((one) => ({
    name: `${one.tree.label} init`,
    run: async () => Number((await run(invocationOf(one), one.project)).stdout),
  }));
  const times = await takeTurns([...bare, ...inits], short ? 9 : 21);
  const goals = inits.map(({ name }) => ({
    text: `${name} ÷ ${BARE_NODE}`,
    atMost: 1.3,
    measured: ratio(times, name, BARE_NODE),
  }));
  return { title: "Import of the deploy function", times, goals };
}

function invocationOf({ handler, env }: DeployFunction, ...event: readonly string[]): Command {
  return { file: process.execPath, args: [INVOKE, handler, ...event], env };
}

/** What a no-op invocation asks of the outside. The first invocation applies the migrations. */
async function measureInvocation({ server }: Context, one: DeployFunction): Promise<Section> {
  const database = await server.createDatabase();
  const secrets = await startSecrets(database);
  try {
    const { args, file, env } = invocationOf(one, one.event);
    const settings = { DATABASE_PORT: String(database.port), DATABASE_NAME: database.database };
    const command = { file, args, env: { ...env, ...settings, ...secrets.env } };
    const invoke = () => time(command, one.project);
    await invoke();
    const callsBefore = secrets.calls();
    const traffic = await server.countTraffic(database, invoke);
    const goals: Goal[] = [
      { text: `${one.tree.label}: secret calls`, atMost: 1, measured: secrets.calls() - callsBefore },
      { text: `${one.tree.label}: connections`, atMost: 1, measured: traffic.connections },
      { text: `${one.tree.label}: requests to the database`, atMost: 4, measured: traffic.requests },
      { text: `${one.tree.label}: statements`, atMost: 4, measured: traffic.statements },
    ];
    return { title: "No-op invocation of the deploy function", times: new Map(), goals };
  } finally {
    secrets.close();
  }
}

/** Stands for Secrets Manager: one secret, whatever is asked for. */
async function startSecrets({ user, password }: Database) {
  let calls = 0;
  const answer = JSON.stringify({ SecretString: JSON.stringify({ username: user, password }) });
  const server = createServer((request, response) => {
    calls += 1;
    request.resume();
    response.writeHead(200, { "content-type": "application/x-amz-json-1.1" }).end(answer);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    calls: () => calls,
    env: {
      AWS_ENDPOINT_URL_SECRETS_MANAGER: `http://127.0.0.1:${address.port}`,
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "bench",
      AWS_SECRET_ACCESS_KEY: "bench",
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Metafile } from "esbuild";
import { type BuiltAsset, buildAssetSync, buildHandlers } from "../../lib/asset/index.ts";
import { type Files, type Project, projects } from "../folder/folders.ts";
import { assetOf, linkPackages, REPOSITORY, SOURCE_HANDLERS } from "./assets.ts";

const make = projects();

const FORBIDDEN =
  /(?:^|\/)(?:node_modules\/(?:aws-cdk-lib|aws-cdk|constructs|esbuild|@esbuild|jiti|glob|commander|typescript|libpg-query|squawk-cli|pg-native|yargs)\/|lib\/(?:cli|bundle|constructs)\/)/;

function sourceProject(files: Files = {}): Project {
  const project = make({ ...SOURCE_HANDLERS, "migrations/1_a.sql": "SELECT 1;", ...files });
  linkPackages(project);
  return project;
}

const ENTRIES = ["on-deploy", "on-operate", "on-rotate", "on-stack-event", "on-status"];
const FLEET_ENTRIES = ["on-fleet-event", "on-fleet", "on-fleet-target"];

/** Runs `body` as a module beside handlers in a plain process; gives the JSON it prints. */
function run(dir: string, body: string): unknown {
  const script = `${body.replaceAll("HERE", `file://${dir}`)}`;
  const args = ["--throw-deprecation", "--input-type=module", "--eval", script];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

/** Files that an output needs before it can run, by their names. */
function neededBy(dir: string, file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(join(dir, file), "utf8");
  for (const [, name = ""] of text.matchAll(/(?:from|import)\s*"\.\/([\w-]+\.mjs)"/g))
    neededBy(dir, name, seen);
  return seen;
}

describe("built handlers", () => {
  // One build serves all: none of these changes it.
  const built: { dir: string; inputs: string[]; outputs: Metafile["outputs"] } = {
    ...{ dir: "", inputs: [], outputs: {} },
  };
  beforeAll(async () => {
    built.dir = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-test-"));
    writeFileSync(join(built.dir, "part-99.mjs"), "left over");
    const metafile = await buildHandlers(join(REPOSITORY, "lambda"), built.dir);
    built.inputs = Object.keys(metafile.inputs);
    built.outputs = metafile.outputs;
  });

  afterAll(() => rmSync(built.dir, { recursive: true, force: true }));

  test("built handlers contain nothing of synth, of the command line or of loaders of migrations", () => {
    expect(built.inputs.filter((input) => FORBIDDEN.test(input))).toEqual([]);
    expect(readdirSync(built.dir)).not.toContain("part-99.mjs");
    for (const name of ["lib/engine/node-pg-migrate.ts", "pg/lib/client.js", "client-secrets-manager"])
      expect(built.inputs.filter((input) => input.includes(name))).not.toEqual([]);
  });

  test("built handlers load in a plain process without packages", () => {
    const body = `const modules = ${JSON.stringify([...ENTRIES, ...FLEET_ENTRIES])}.map((name) => import("HERE/" + name + ".mjs"));
      console.log(JSON.stringify((await Promise.all(modules)).map((module) => Object.keys(module).sort().join())));`;
    expect(run(built.dir, body)).toEqual([
      ...["handler", "handler", "handler", "handler,isComplete", "handler"],
      ...["handler,isComplete", "check,prepare,summarize", "list,operate,status"],
    ]);
  });

  /** What is in an output, and in those that it imports. */
  const inputsOf = (entry: string, seen = new Set<string>()): ReadonlySet<string> => {
    const key = Object.keys(built.outputs).find((path) => path.endsWith(`/${entry}.mjs`)) ?? entry;
    const pending = [key];
    const inputs = new Set<string>();
    for (const path of pending) {
      const output = seen.has(path) ? undefined : built.outputs[path];
      seen.add(path);
      for (const input of Object.keys(output?.inputs ?? {})) inputs.add(input);
      pending.push(...(output?.imports ?? []).map((one) => one.path));
    }
    return inputs;
  };

  test("nothing of fleets is in the bundles of one database, and no client that only fleets need", () => {
    const ofFleets = /(?:^|\/)(?:fleet|fleet-target|lib\/fleet)\/|client-(?:s3|sfn)\//;
    expect([...inputsOf("on-fleet-target")].filter((input) => ofFleets.test(input))).not.toEqual([]);
    for (const entry of ENTRIES) {
      const inputs = [...inputsOf(entry)];
      expect(inputs.length).toBeGreaterThan(20);
      expect(inputs.filter((input) => ofFleets.test(input))).toEqual([]);
    }
    expect(
      [...inputsOf("on-fleet-target")].filter((input) => /client-(?:s3|sfn|lambda)\//.test(input)),
    ).toEqual([]);
    expect([...inputsOf("on-fleet")].filter((input) => /client-sfn\//.test(input))).toEqual([]);
    expect(
      [...inputsOf("on-fleet-event")].filter((input) => /client-(?:s3|lambda|secrets)/.test(input)),
    ).toEqual([]);
  });

  test.each(["on-fleet", "on-fleet-event"])(
    "the handler %s, outside the VPC, is a single file without the engine",
    (entry) => {
      expect([...neededBy(built.dir, `${entry}.mjs`)]).toEqual([`${entry}.mjs`]);
      expect(
        [...inputsOf(entry)].filter((input) =>
          /lib\/(?:engine|postgres|sql)\/|node_modules\/pg\//.test(input),
        ),
      ).toEqual([]);
    },
  );

  test("the stack event handler is a single file without the engine", () => {
    expect([...neededBy(built.dir, "on-stack-event.mjs")]).toEqual(["on-stack-event.mjs"]);
    const text = readFileSync(join(built.dir, "on-stack-event.mjs"), "utf8");
    expect(text).toContain("DescribeStacks");
    expect(text).not.toMatch(/pgmigrations|pg_advisory/);
  });

  test("built handlers do not make Node load its fetch, and read credentials from the environment", () => {
    const body = `await import("HERE/on-deploy.mjs");
      console.log(JSON.stringify(process.moduleLoadList.filter((name) => name.includes("undici"))));`;
    expect(run(built.dir, body)).toEqual([]);
    const sources = built.inputs.flatMap(
      (input) => /credential-provider-(\w+(?:-\w+)*)\//.exec(input)?.[1] ?? [],
    );
    expect([...new Set(sources)].sort()).toEqual(["env", "http"]);
  });

  test("built handlers load node-pg-migrate on demand, and share it with migrations", () => {
    const isEngine = (file: string) => readFileSync(join(built.dir, file), "utf8").includes("createTable");
    expect([...neededBy(built.dir, "on-deploy.mjs")].filter(isEngine)).toEqual([]);
    expect([...neededBy(built.dir, "node-pg-migrate.mjs")].filter(isEngine)).toHaveLength(1);
    expect(readdirSync(built.dir).filter(isEngine)).toHaveLength(1);
    const body = 'console.log(JSON.stringify(Object.keys(await import("HERE/node-pg-migrate.mjs")).sort()));';
    expect(run(built.dir, body)).toEqual(expect.arrayContaining(["MigrationBuilder", "PgLiteral", "PgType"]));
  });
});

describe("handlers from sources", () => {
  const bytes = ({ dir }: BuiltAsset) =>
    readdirSync(dir)
      .filter((name) => name.endsWith(".mjs"))
      .map((name) => [name, readFileSync(join(dir, name), "utf8")]);

  test("handlers compiled in another folder have the same bytes as built ones", async () => {
    const asset = assetOf(sourceProject());
    const other = sourceProject();
    await buildHandlers(join(other.root, "handlers"), join(other.root, "built"));
    const { root, dir, cacheDir } = other;
    const again = buildAssetSync({ migrationsDir: dir, handlersDir: join(root, "built"), cacheDir });
    expect(bytes(again)).toEqual(bytes(asset));
    expect(again.hash).toBe(asset.hash);
  });

  test("handlers are compiled again when something they import changes", () => {
    const project = sourceProject({
      "handlers/on-status.ts": 'import { x } from "./part.ts"; export const handler = () => x;',
      "handlers/part.ts": "export const x = 1;",
    });
    const before = assetOf(project);
    expect(assetOf(project)).toEqual(before);
    project.write({ "handlers/part.ts": "export const x = 2;" });
    const after = assetOf(project);
    expect(after.manifest).toEqual(before.manifest);
    expect(run(after.dir, 'console.log((await import("HERE/on-status.mjs")).handler());')).toBe(2);
  });

  test("handlers that do not compile are refused with file and line", () => {
    const project = sourceProject({ "handlers/on-status.ts": "\nconst = 1;" });
    expect(() => assetOf(project)).toThrow(/the handlers do not compile: on-status\.ts:2: /);
  });
});

test("the handlers of fleets are only in the asset of one", () => {
  const { root, dir, cacheDir } = sourceProject();
  const namesIn = (functions: "one database" | "fleet") =>
    readdirSync(
      buildAssetSync({ migrationsDir: dir, handlersDir: join(root, "handlers"), cacheDir, functions }).dir,
    )
      .filter((name) => name.startsWith("on-fleet"))
      .sort();
  expect(namesIn("one database")).toEqual([]);
  expect(namesIn("fleet")).toEqual(["on-fleet-event.mjs", "on-fleet-target.mjs", "on-fleet.mjs"]);
});

/** This project's own. */
function ownAsset(): BuiltAsset {
  return buildAssetSync({
    migrationsDir: join(REPOSITORY, "migrations"),
    handlersDir: join(REPOSITORY, "lambda"),
    cacheDir: make({}).cacheDir,
  });
}

test("this project's asset is under 1.25 megabytes", () => {
  const { dir } = ownAsset();
  const sizes = readdirSync(dir, { recursive: true }).map((name) => statSync(join(dir, String(name))));
  const total = sizes.reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
  expect(total).toBeLessThan(1.25 * 1024 * 1024);
  expect(total).toBeGreaterThan(100_000);
});

test("credentials are fetched from the URL in the environment", () => {
  const { dir } = ownAsset();
  writeFileSync(join(dir, "ca.pem"), rootCertificates[0] ?? "");
  const body = `const { createServer } = await import("node:http");
    const seen = [];
    const server = createServer((request, response) => {
      seen.push((request.headers.authorization ?? request.url).slice(0, 36));
      response.statusCode = request.method === "GET" ? 200 : 403;
      response.end(JSON.stringify({ AccessKeyId: "GIVEN", SecretAccessKey: "s", Token: "t", Expiration: "2999-01-01T00:00:00Z", __type: "AccessDeniedException" }));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const here = "http://127.0.0.1:" + server.address().port;
    for (const name of ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"]) delete process.env["AWS_" + name];
    Object.assign(process.env, {
      ...{ LAMBDA_TASK_ROOT: "${dir}", AWS_REGION: "eu-west-1", AWS_ENDPOINT_URL_SECRETS_MANAGER: here },
      ...{ DATABASE_HOST: "127.0.0.1", DATABASE_PORT: "1", DATABASE_NAME: "d", DATABASE_SECRET_ARN: "arn:aws:x", CA_FILE: "ca.pem" },
    });
    const write = process.stdout.write.bind(process.stdout);
    process.stdout.write = () => true; // Its log.
    const { handler } = await import("HERE/on-status.mjs");
    const context = { awsRequestId: "1", functionName: "f", logGroupName: "g", getRemainingTimeInMillis: () => 60_000 };
    const ask = () => handler({ command: "status" }, context).then(JSON.stringify, String);
    const without = await ask();
    process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI = here + "/credentials";
    const refused = await ask();
    write(JSON.stringify({ without, refused, seen }));
    process.exit(0);`;
  expect(run(dir, body)).toMatchObject({
    without: expect.stringMatching(/CredentialsProviderError/),
    refused: expect.stringMatching(/AccessDeniedException/),
    seen: ["/credentials", "AWS4-HMAC-SHA256 Credential=GIVEN/20"],
  });
});

test("a migration's classes are those of the engine", () => {
  const project = sourceProject({
    "migrations/2_b.ts":
      'import { MigrationBuilder, PgLiteral } from "node-pg-migrate"; export const seen = [PgLiteral.create("x"), MigrationBuilder];',
  });
  const { dir } = assetOf(project);
  const body = `const { PgLiteral, MigrationBuilder, isPgLiteral } = await import("HERE/node-pg-migrate.mjs");
    const { migrations } = await import("HERE/migrations/modules.mjs");
    const [literal, builder] = (await migrations.get("2_b")()).seen;
    console.log(JSON.stringify([literal instanceof PgLiteral, isPgLiteral(literal), builder === MigrationBuilder]));`;
  expect(run(dir, body)).toEqual([true, true, true]);
});

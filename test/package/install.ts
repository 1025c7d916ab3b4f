import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { inspect, promisify } from "node:util";
import { withoutAgent } from "../../lib/client/index.ts";

export const REPOSITORY = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

/** An app that has installed the package as npm packs it. */
export interface Consumer {
  readonly dir: string;
  /** Runs a program in the app's folder; rejects, with what it printed, when it fails. */
  run(program: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
}

/** Packs this repository, which builds it, and returns the path of the tarball. */
export async function pack(): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-package-"));
  const args = ["pack", "--pack-destination", work, "--json", "--foreground-scripts=false"];
  const { stdout } = await run("npm", args, { cwd: REPOSITORY });
  const [packed]: { filename: string }[] = JSON.parse(stdout.slice(stdout.indexOf("[\n")));
  if (packed === undefined) throw new Error(`npm pack said ${stdout}`);
  return join(work, packed.filename);
}

// What this repository has just installed is in npm's cache.
const QUICKLY = ["--prefer-offline", "--ignore-scripts"];

/** A copy of an example, which installs the tarball as its README says, without what it does not need to run. */
export async function installExample(tarball: string, example: string): Promise<Consumer> {
  const app = consumer(join(dirname(tarball), "examples", example));
  cpSync(join(REPOSITORY, "examples", example), app.dir, { recursive: true });
  await app.run("npm", ["install", "--omit=dev", "--no-audit", "--no-fund", ...QUICKLY]);
  return app;
}

export interface AppOptions {
  readonly files?: Readonly<Record<string, string>>;
  /** Development dependencies by name. */
  readonly packages: Readonly<Record<string, string>>;
  /** CDK: the "lowest" that the package accepts, or "linked" to this repository's, which takes a third of the time. */
  readonly cdk: "lowest" | "linked";
  /** A program with its first arguments. @default - `npm install` */
  readonly installer?: readonly [string, ...string[]];
}

/** An app that installs the tarball, CDK and some packages. */
export async function installInApp(tarball: string, name: string, options: AppOptions): Promise<Consumer> {
  const { files = {}, packages, cdk, installer = ["npm", "install", "--no-audit", "--no-fund"] } = options;
  const app = consumer(join(dirname(tarball), name));
  const dependencies = { ...CDK[cdk], "cdk-pg-migrate": `file:${tarball}` };
  const manifest = { name, private: true, dependencies, devDependencies: packages };
  write(app.dir, { "package.json": JSON.stringify(manifest), ...files });
  const [program, ...args] = installer;
  await app.run(program, [...args, ...QUICKLY]);
  return app;
}

const CDK = {
  lowest: lowestPeers(),
  linked: {
    "aws-cdk-lib": `file:${join(REPOSITORY, "node_modules/aws-cdk-lib")}`,
    constructs: `file:${join(REPOSITORY, "node_modules/constructs")}`,
  },
};

/** The lowest versions of CDK in the ranges of package.json. */
function lowestPeers(): Readonly<Record<"aws-cdk-lib" | "constructs", string>> {
  const manifest: { peerDependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(REPOSITORY, "package.json"), "utf8"),
  );
  const lowest = (name: string) => {
    const [, version] = /^\^(\d+\.\d+\.\d+)$/.exec(manifest.peerDependencies[name] ?? "") ?? [];
    if (version === undefined) throw new Error(`the range of ${name} must be like ^2.203.0`);
    return version;
  };
  return { "aws-cdk-lib": lowest("aws-cdk-lib"), constructs: lowest("constructs") };
}

/** Writes texts by their paths below a folder. */
export function write(dir: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
}

/** An app in a folder. */
export function consumer(dir: string): Consumer {
  return {
    dir,
    run: async (program, args, env = {}) => {
      try {
        return (await run(program, args, { cwd: dir, env: { ...clean(process.env), ...env } })).stdout;
      } catch (error) {
        throw new Error(`${program} ${args.join(" ")} failed: ${inspect(error)}`, { cause: error });
      }
    },
  };
}

/** Jest's own settings are not for a Jest that an app runs. */
function clean(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_ENV: _env, JEST_WORKER_ID: _worker, ...rest } = env;
  return withoutAgent(rest);
}

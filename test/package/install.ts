import { execFile } from "node:child_process";
import { cpSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const REPOSITORY = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

/** An app that has installed the package as npm packs it. */
export interface Consumer {
  readonly dir: string;
  /** Runs a program in the app's folder; rejects when it fails. */
  run(program: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
}

/** Packs this repository, which builds it, and installs the tarball in a copy of an example. */
export async function installIn(example: string): Promise<Consumer> {
  const work = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-package-"));
  const npm = (args: readonly string[], cwd: string) =>
    run("npm", [...args, "--no-audit", "--no-fund"], { cwd });
  const { stdout } = await npm(
    ["pack", "--pack-destination", work, "--json", "--foreground-scripts=false"],
    REPOSITORY,
  );
  const [packed]: { filename: string }[] = JSON.parse(stdout.slice(stdout.indexOf("[\n")));
  if (packed === undefined) throw new Error(`npm pack said ${stdout}`);
  const dir = join(work, "app");
  cpSync(join(REPOSITORY, "examples", example), dir, { recursive: true });
  // What this repository has just installed is in npm's cache.
  const from = ["--omit=dev", "--prefer-offline", "--ignore-scripts"];
  await npm(["install", join(work, packed.filename), ...from], dir);
  return {
    dir,
    run: async (program, args, env = {}) =>
      (await run(program, args, { cwd: dir, env: { ...process.env, ...env } })).stdout,
  };
}

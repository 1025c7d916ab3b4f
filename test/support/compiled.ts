import { randomUUID } from "node:crypto";
import { existsSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { jestPid } from "./jest-pid.ts";

/** Below this project, so that its packages are found from there. */
const CACHE = fileURLToPath(new URL("../../node_modules/.cache/cdk-pg-migrate-test", import.meta.url));

/** A program in TypeScript as one file that plain Node runs; compiled once in a run of Jest. */
export function compiled(program: string): string {
  const outfile = join(directory(), `${basename(program, ".ts")}.mjs`);
  if (existsSync(outfile)) return outfile;
  const aside = `${outfile}.${randomUUID()}`;
  const options = { bundle: true, packages: "external", platform: "node", format: "esm" } as const;
  buildSync({ ...options, entryPoints: [program], outfile: aside, logLevel: "error" });
  renameSync(aside, outfile);
  return outfile;
}

export function removeCompiled(): void {
  rmSync(directory(), { recursive: true, force: true });
}

function directory(): string {
  return join(CACHE, `compiled-${jestPid()}`);
}

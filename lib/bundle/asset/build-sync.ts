import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { decodeAnswer } from "./answer.ts";
import type { AssetRequest, BuiltAsset, WorkerRequest } from "./request.ts";
import { workerScript } from "./worker-script.ts";

/**
 * Makes the asset of the functions: handlers, compiled migrations and their manifest, in a folder named by its
 * hash. Does its work in another process, because a construct cannot wait; with nothing changed since the last
 * time it compiles nothing.
 * @throws MigrationError: `USAGE` when the folder is missing or empty, or there are no handlers; `MIGRATION` when a file
 * cannot be a migration, two share a name, or one does not compile or could not run in the asset.
 */
export function buildAssetSync(request: AssetRequest): BuiltAsset {
  const { path, own, tool } = workerScript();
  const work: WorkerRequest = {
    ...request,
    migrationsDir: resolve(request.migrationsDir),
    handlersDir: resolve(request.handlersDir),
    own,
    tool,
  };
  const ended = spawnSync(process.execPath, [path], {
    input: JSON.stringify(work),
    encoding: "utf8",
    maxBuffer: Number.POSITIVE_INFINITY,
    windowsHide: true,
  });
  // Something preloaded into every Node process may print before.
  const answer = decodeAnswer((ended.stdout ?? "").trimEnd().split("\n").at(-1) ?? "");
  if (answer !== undefined && ended.status === 0) return answer;
  const why =
    ended.error?.message ?? (ended.stderr.trim() || `it ended with ${ended.signal ?? ended.status}`);
  throw new Error(`the process that builds the asset failed: ${why}`, { cause: ended.error });
}

import { text } from "node:stream/consumers";
import { MigrationError } from "../../core/index.ts";
import { encodeAnswer } from "./answer.ts";
import { buildAsset } from "./build.ts";
import type { WorkerRequest } from "./request.ts";

// The process behind `buildAssetSync`: a request on standard input, the answer as the last line of the output. What
// neither side foresaw ends the process, with its stack on standard error.
const request: WorkerRequest = JSON.parse(await text(process.stdin));
const result = await buildAsset(request).catch((error: unknown) => {
  if (error instanceof MigrationError) return error;
  throw error;
});
process.stdout.write(`\n${encodeAnswer(result)}\n`);

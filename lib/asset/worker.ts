import { text } from "node:stream/consumers";
import { MigrationError } from "../core/index.ts";
import { buildAsset } from "./build-asset.ts";
import { errorAnswer, type WorkerAnswer, type WorkerRequest } from "./worker-protocol.ts";

// The process behind `buildAssetSync`: a request on standard input, the answer as the last line of the output. A defect
// ends the process with its stack on standard error.
const request: WorkerRequest = JSON.parse(await text(process.stdin));
const answer = await buildAsset(request).then(
  (asset): WorkerAnswer => ({ asset }),
  (error: unknown) => {
    if (error instanceof MigrationError) return errorAnswer(error);
    throw error;
  },
);
process.stdout.write(`\n${JSON.stringify(answer)}\n`);

// Plays Lambda: imports the deploy handler of an asset as the runtime does, calls it once for each event, and tells
// on its last line what that took.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [, , asset, events] = process.argv;
const FUNCTION = { awsRequestId: "bench", functionName: "bench", logGroupName: "bench" };

async function taking(work) {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  return { result, wallMs: performance.now() - wall, cpuMs: (user + system) / 1000 };
}

const init = await taking(() => import(pathToFileURL(join(asset, "on-deploy.mjs")).href));
const initPeakMb = process.resourceUsage().maxRSS / 1024;
const invocations = [];
for (const event of JSON.parse(events)) {
  const end = Date.now() + 60_000;
  const context = { ...FUNCTION, getRemainingTimeInMillis: () => end - Date.now() };
  const { wallMs, cpuMs, result } = await taking(() => init.result.handler(event, context));
  invocations.push({ wallMs, cpuMs, data: result.Data, peakMb: process.resourceUsage().maxRSS / 1024 });
}
const answer = { init: { wallMs: init.wallMs, cpuMs: init.cpuMs, peakMb: initPeakMb }, invocations };
process.stdout.write(`\n${JSON.stringify(answer)}\n`);

import { run } from "../lib/cli/process.ts";

await run();

import { run } from "../lib/cli/index.ts";

await run();

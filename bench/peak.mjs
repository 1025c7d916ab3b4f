// Loaded into a command before its program: writes how much memory the process had at its peak, in kB, when it ends.
import { appendFileSync } from "node:fs";

const { BENCH_PEAK_FILE: file } = process.env;
process.once("exit", () => {
  if (file !== undefined) appendFileSync(file, `${process.resourceUsage().maxRSS}\n`);
});

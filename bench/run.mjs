// `npm run bench`: installs what it compares with on its first use, then measures.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

function run(file, args, options) {
  const { status, error } = spawnSync(file, args, { stdio: "inherit", ...options });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(join(here, "node_modules", "node-pg-migrate"))) {
  const options = { cwd: here, shell: process.platform === "win32" };
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], options);
}
run(process.execPath, ["--import", "tsx", join(here, "main.ts"), ...process.argv.slice(2)], {
  cwd: dirname(here),
});

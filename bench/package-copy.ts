import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Where packages are found from, as they are from an installed one. */
const HOME = join(ROOT, "node_modules", ".cache", "cdk-pg-migrate-bench", String(process.pid));

/** What `npm run build` makes, as it was when the bench began: a build meanwhile replaces the folder. */
export const DIST = join(HOME, "dist");

const BUILT = join(ROOT, "dist");

export function isBuilt(): boolean {
  return existsSync(join(BUILT, "cli", "migrate.mjs"));
}

export function copyPackage(): void {
  mkdirSync(HOME, { recursive: true });
  cpSync(BUILT, DIST, { recursive: true });
  cpSync(join(ROOT, "package.json"), join(HOME, "package.json"));
}

export function removePackage(): void {
  rmSync(HOME, { recursive: true, force: true });
}

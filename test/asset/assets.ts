import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BuiltAsset, buildAssetSync } from "../../lib/asset/index.ts";
import { MigrationError } from "../../lib/core/index.ts";
import type { Files, Project } from "../folder/folders.ts";

export const REPOSITORY = join(import.meta.dirname, "../..");

/** Handlers that are built already and do nothing: for tests of everything else in the asset. */
export const BUILT_HANDLERS: Files = {
  "handlers/on-deploy.mjs": "export const handler = () => 1;",
  "handlers/on-status.mjs": "export const handler = () => 2;",
  "handlers/on-operate.mjs": "export const handler = () => 3;",
  "handlers/on-rotate.mjs": "export const handler = () => 5;",
  "handlers/on-stack-event.mjs": "export const handler = () => 4;",
  "handlers/on-fleet.mjs": "export const prepare = () => 6;",
  "handlers/on-fleet-event.mjs": "export const handler = () => 7;",
  "handlers/on-fleet-target.mjs": "export const operate = () => 8;",
  "handlers/node-pg-migrate.mjs": "export class PgLiteral { constructor(value) { this.value = value; } }",
};

/** Sources that import what the real handlers import. */
const SOURCE = `
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import pg from "pg";
import { MigrationError } from ${JSON.stringify(join(REPOSITORY, "lib/core/index.ts"))};
import { Migrator } from ${JSON.stringify(join(REPOSITORY, "lib/engine/index.ts"))};
export const handler = () => [GetSecretValueCommand, SecretsManagerClient, pg.Client, MigrationError, Migrator];
`;
export const SOURCE_HANDLERS: Files = {
  "handlers/on-deploy.ts": SOURCE,
  "handlers/on-status.ts": SOURCE,
  "handlers/on-operate.ts": SOURCE,
  "handlers/on-rotate.ts": SOURCE,
  "handlers/on-stack-event.ts": "export const handler = () => 1;",
  "handlers/on-fleet.ts": "export const prepare = () => 1;",
  "handlers/on-fleet-event.ts": "export const handler = () => 1;",
  "handlers/on-fleet-target.ts": SOURCE.replace("handler", "operate"),
};

/** Packages as the repository has them installed. */
export function linkPackages({ root }: Project): void {
  symlinkSync(join(REPOSITORY, "node_modules"), join(root, "node_modules"));
}

export interface AssetExtras {
  readonly ca?: string;
  readonly ignorePattern?: string;
}

/** The asset of a project that has `handlers/` beside its `migrations/`. */
export function assetOf({ root, dir, cacheDir }: Project, extras: AssetExtras = {}): BuiltAsset {
  return buildAssetSync({ migrationsDir: dir, handlersDir: join(root, "handlers"), cacheDir, ...extras });
}

/** What building the asset throws. */
export function refusalOf(project: Project): MigrationError {
  try {
    assetOf(project);
  } catch (error) {
    if (error instanceof MigrationError) return error;
    throw error;
  }
  throw new Error("the asset was built");
}

/**
 * Runs `body` as a module in a plain process, beside a copy of the asset that has no project and no packages near it;
 * gives the JSON it prints. `migrations` is the map, `HERE` the copy's URL.
 */
export function evaluate(asset: BuiltAsset, project: Project, body: string): unknown {
  const copy = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-asset-"));
  cpSync(asset.dir, copy, { recursive: true });
  const script = join(copy, "script.mjs");
  writeFileSync(
    script,
    `const HERE = new URL("./", import.meta.url).href;
    const { migrations } = await import("./migrations/modules.mjs");
    const print = (value) => console.log(JSON.stringify(value));
    ${body}`,
  );
  mkdirSync(join(project.root, "elsewhere"), { recursive: true });
  const options = { cwd: join(project.root, "elsewhere"), encoding: "utf8", stdio: "pipe" } as const;
  try {
    return JSON.parse(execFileSync(process.execPath, ["--throw-deprecation", script], options));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

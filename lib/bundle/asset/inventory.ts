import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { type Manifest, type ManifestMigration, type Migration, MigrationError } from "../../core/index.ts";
import { DigestCache } from "../digest-cache.ts";
import { readDigests } from "../digests.ts";
import { readFolder } from "../listing.ts";
import { sha256 } from "./asset-files.ts";
import { readDataFiles } from "./data-files.ts";
import type { AssetRequest } from "./request.ts";

/** A folder with at least one migration. */
export interface Folder {
  /** Absolute path, symbolic links resolved. */
  readonly dir: string;
  readonly entries: readonly Migration[];
}

/** What the asset will have of a folder, known without compiling anything. */
export interface Inventory extends Folder {
  readonly manifest: Manifest;
  /** Files for migrations to read; none when no migration asks where it is. */
  readonly data: ReadonlyMap<string, Uint8Array>;
}

/** @throws MigrationError when the folder is missing or empty, or a file in it cannot be a migration. */
export async function openFolder(request: AssetRequest): Promise<Folder> {
  const asked = resolve(request.migrationsDir);
  if (!existsSync(asked)) {
    const hint = "create it with its first migration, or give another folder as `migrationsDir`";
    throw new MigrationError("USAGE", `migrations folder not found: ${asked}`, { hint });
  }
  const { dir, entries } = await readFolder(asked, request);
  if (entries.length === 0) {
    const hint =
      "add the first one, named like 1700000000000_create-users.sql, or give another folder as `migrationsDir`";
    throw new MigrationError("USAGE", `no migrations in ${dir}`, { hint });
  }
  return { dir: await realpath(dir), entries };
}

export async function takeInventory({ dir, entries }: Folder, cacheDir: string): Promise<Inventory> {
  const digests = await readDigests(dir, entries, new DigestCache(cacheDir, dir));
  const migrations = entries.map((entry): ManifestMigration => {
    const digest = digests.get(entry.name);
    if (digest === undefined) throw new TypeError(`no digest of ${entry.name}`);
    const { name, fileName, kind, files } = entry;
    return { name, fileName, kind, files, digest: digest.digest, shorthands: digest.shorthands };
  });
  const reading = [...digests.values()].some(({ refersToItself }) => refersToItself);
  const data = reading ? readDataFiles(dir, entries) : new Map<string, Uint8Array>();
  return { dir, entries, data, manifest: { format: 1, hash: hashOf(migrations, data), migrations } };
}

/** Over what people wrote, never over compiled code: a new version of a compiler is no change of a migration. */
function hashOf(migrations: readonly ManifestMigration[], data: ReadonlyMap<string, Uint8Array>): string {
  const listed = migrations.map(({ name, fileName, kind, files, digest }) => [
    name,
    fileName,
    kind,
    files,
    digest,
  ]);
  const read = [...data].map(([path, bytes]) => [path, sha256(bytes)]);
  return sha256(JSON.stringify({ format: 1, migrations: listed, data: read }));
}

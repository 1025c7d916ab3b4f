import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as v from "valibot";
import {
  given,
  type LoadedMigration,
  type Manifest,
  type ManifestMigration,
  MigrationError,
  type MigrationSource,
  type RunCode,
} from "../../lib/core/index.ts";
import { ASSET } from "../contract.ts";
import { problemsOf } from "./schema.ts";

/** The migrations of the asset. */
export interface AssetSource extends MigrationSource {
  readonly manifest: Manifest;
}

const ManifestSchema = v.object({
  format: v.literal(1),
  hash: v.string(),
  migrations: v.array(
    v.object({
      name: v.string(),
      fileName: v.string(),
      kind: v.picklist(["module", "sql", "pair"]),
      files: v.array(v.string()),
      digest: v.string(),
      shorthands: v.boolean(),
      baseline: v.optional(v.array(v.string())),
      contractAfter: v.optional(v.string()),
    }),
  ),
});

/** @param root folder of the asset */
export function openAsset(root: string): AssetSource {
  const manifest = readManifest(join(root, ASSET.manifest));
  const byName = new Map(manifest.migrations.map((migration) => [migration.name, migration]));
  const modules = pathToFileURL(join(root, ASSET.modules)).href;
  const load = (migration: ManifestMigration, url: string, run: RunCode) =>
    migration.kind === "module" ? loadModule(migration, url, run) : loadSql(migration, join(root, ASSET.sql));
  let copies = 0;
  return {
    manifest,
    entries: manifest.migrations,
    digests: async (names) => new Map(names.map((name) => [name, pick(byName, name).digest])),
    shorthandNames: async () => manifest.migrations.flatMap((one) => (one.shorthands ? [one.name] : [])),
    baselineHeaders: async () =>
      new Map(
        manifest.migrations.flatMap(({ name, baseline }) =>
          baseline === undefined ? [] : [[name, baseline] as const],
        ),
      ),
    contracts: async () =>
      new Map(
        manifest.migrations.flatMap(({ name, contractAfter: after }) =>
          after === undefined ? [] : [[name, { after }] as const],
        ),
      ),
    load: async (names, run) => {
      const loaded = new Map<string, LoadedMigration>();
      for (const name of names) loaded.set(name, await load(pick(byName, name), modules, run));
      return loaded;
    },
    reload: (name, run) => {
      copies += 1;
      return load(pick(byName, name), `${modules}?copy=${copies}`, run);
    },
  };
}

function readManifest(path: string): Manifest {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), ManifestSchema), readFileSync(path, "utf8"));
  if (parsed.success) return parsed.output;
  throw new MigrationError("ASSET", `the asset's manifest cannot be read: ${problemsOf(parsed.issues)}`, {
    hint: "It is made at synth by the same version of the package: deploy again.",
  });
}

function pick(byName: ReadonlyMap<string, ManifestMigration>, name: string): ManifestMigration {
  const migration = byName.get(name);
  if (migration !== undefined) return migration;
  throw new MigrationError("USAGE", `no migration is called "${name}" in this release`, {
    hint: "After a stack rollback the functions have the older migrations: deploy the newer ones again, with --no-rollback when they fail.",
  });
}

async function loadModule(
  { name, fileName }: ManifestMigration,
  url: string,
  run: RunCode,
): Promise<LoadedMigration> {
  const evaluate = evaluatorOf(await run(undefined, () => import(url)), name);
  try {
    return { kind: "module", path: fileName, exports: await run(name, async () => evaluate()) };
  } catch (cause) {
    if (cause instanceof MigrationError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new MigrationError("MIGRATION", `${fileName} throws when it is loaded: ${message}`, {
      migration: name,
      hint: "Move its statements into up and down: what stands outside them runs whenever the file is loaded.",
      cause,
    });
  }
}

const Modules = v.object({ migrations: v.map(v.string(), v.function()) });

function evaluatorOf(contents: unknown, name: string): () => unknown {
  const evaluate = v.parse(Modules, contents).migrations.get(name);
  if (evaluate !== undefined) return () => evaluate();
  throw new MigrationError("ASSET", `the compiled migrations lack ${name}`, {
    hint: "The asset is not whole: deploy again.",
  });
}

/** Synth refuses what is not UTF-8: an asset that has it was changed since. */
function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new MigrationError("MIGRATION", `${path} is not UTF-8`, {
      hint: "Save it as UTF-8 and deploy again.",
      cause,
    });
  }
}

async function loadSql({ kind, files }: ManifestMigration, folder: string): Promise<LoadedMigration> {
  const [first, second] = await Promise.all(
    files.map(async (path) => ({ path, text: decode(path, await readFile(join(folder, path))) })),
  );
  if (first === undefined) throw new MigrationError("MIGRATION", "a SQL migration without a file");
  if (kind === "sql") return { kind, file: first };
  return { kind: "pair", up: first, ...given({ down: second }) };
}

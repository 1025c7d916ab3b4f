import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { defaultCacheDir } from "../../lib/folder/cache-dir.ts";
import { openFolder } from "../../lib/folder/index.ts";
import { compiledModule, placeModule } from "../../lib/folder/loader.ts";
import { projects } from "./folders.ts";

const make = projects();
const asRoot = process.getuid?.() === 0 ? it : it.skip;
const SOMEBODY = 54_321;

/** A project with a `node_modules` above it, as in a folder that several users share. */
function shared() {
  const { root } = make({ "project/migrations/1_a.mjs": "export const up = () => {};" });
  const modules = join(root, "node_modules");
  mkdirSync(modules, { mode: 0o755 });
  return {
    root,
    modules,
    dir: join(root, "project/migrations"),
    beside: join(modules, ".cache/cdk-pg-migrate"),
  };
}

/** Whether no other user can write to the folder. */
function isPrivate(path: string): boolean {
  const { uid, mode } = statSync(path);
  return uid === process.getuid?.() && (mode & 0o077) === 0 && path.startsWith(tmpdir());
}

describe("cache folder", () => {
  it("the cache is in the nearest node_modules, readable by its owner only", () => {
    const { dir, beside } = shared();
    expect(defaultCacheDir(dir)).toBe(beside);
    expect(statSync(beside).mode & 0o777).toBe(0o700);
  });

  it.each([
    ["node_modules", "", 0o777],
    ["node_modules, though only for its group", "", 0o775],
    ["a node_modules where only owners may rename", "", 0o1777],
    [".cache", ".cache", 0o777],
    ["the folder itself", ".cache/cdk-pg-migrate", 0o777],
  ])("the cache is a private folder when others may write to %s [G27]", (_what, open, mode) => {
    const { dir, modules, beside } = shared();
    mkdirSync(beside, { recursive: true });
    chmodSync(join(modules, open), mode);
    const chosen = defaultCacheDir(dir);
    expect(chosen).not.toBe(beside);
    expect(isPrivate(chosen)).toBe(true);
  });

  it("the cache is a private folder when others may rename a folder above node_modules", () => {
    const { root, dir, beside } = shared();
    chmodSync(root, 0o777);
    expect(defaultCacheDir(dir)).not.toBe(beside);
    // As the system's temporary folder is.
    chmodSync(root, 0o1777);
    expect(defaultCacheDir(dir)).toBe(beside);
  });

  it("the cache is a private folder when node_modules is a link to a folder that others may write to", () => {
    const { root, dir } = shared();
    mkdirSync(join(root, "elsewhere"));
    chmodSync(join(root, "elsewhere"), 0o777);
    symlinkSync(join(root, "elsewhere"), join(root, "project/node_modules"));
    expect(isPrivate(defaultCacheDir(dir))).toBe(true);
    expect(readdirSync(join(root, "elsewhere"))).toEqual([]);
  });

  asRoot.each(["", ".cache", ".cache/cdk-pg-migrate"])(
    "is a private one when another user made node_modules/%s [G27]",
    (owned) => {
      const { dir, modules, beside } = shared();
      mkdirSync(beside, { recursive: true });
      chownSync(join(modules, owned), SOMEBODY, SOMEBODY);
      expect(isPrivate(defaultCacheDir(dir))).toBe(true);
    },
  );

  asRoot("is beside a project of another user, whose migrations are executed anyway", () => {
    const { root, dir, modules, beside } = shared();
    for (const path of [dir, join(root, "project"), modules]) chownSync(path, SOMEBODY, SOMEBODY);
    expect(defaultCacheDir(dir)).toBe(beside);
  });
});

describe("compiled modules", () => {
  const umask = process.umask();
  afterEach(() => {
    process.umask(umask);
  });

  it("a cached module that was modified is not used, even if its size is the same [G27]", () => {
    const { cacheDir } = make({});
    const compiled = compiledModule(cacheDir, "export const migrations = 1;\n");
    placeModule(compiled);
    writeFileSync(compiled.path, "export const migrations = 2;\n");
    placeModule(compiled);
    expect(readFileSync(compiled.path, "utf8")).toBe(compiled.code);
  });

  it("compiled modules are writable by their owner only, whatever the umask", async () => {
    const { root, dir, write } = make({ "migrations/1_a.mjs": "export const up = () => {};" });
    mkdirSync(join(root, "node_modules"), { mode: 0o755 });
    write({});
    process.umask(0);
    const folder = await openFolder(dir);
    await folder.load(["1_a"]);
    await folder.digests(["1_a"]);
    const cache = join(root, "node_modules/.cache");
    const made = readdirSync(cache, { recursive: true, encoding: "utf8" }).map((path) => join(cache, path));
    expect(made.some((path) => path.endsWith(".mjs"))).toBe(true);
    const open = [cache, ...made].filter((path) => (statSync(path).mode & 0o022) !== 0);
    expect(open).toEqual([]);
  });
});

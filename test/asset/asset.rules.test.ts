import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { BuiltAsset } from "../../lib/asset/index.ts";
import { openFolder } from "../../lib/folder/index.ts";
import { type Files, LONG_AGO, type Project, projects } from "../folder/folders.ts";
import { assetOf, BUILT_HANDLERS, refusalOf } from "./assets.ts";

const make = projects();
const home = process.cwd();
afterEach(() => process.chdir(home));

const PROJECT: Files = {
  ...BUILT_HANDLERS,
  "migrations/1700000000000_a.ts":
    'import { name } from "./lib/a.js";\nimport old from "old";\nexport const up = () => [name, old];\n',
  "migrations/lib/a.ts": 'import b from "../../shared";\nexport const name = b;\n',
  "shared/index.ts": 'import sql from "./s.sql";\nexport default sql;\n',
  "shared/s.sql": "SELECT 1;\nSELECT 2;\n",
  "migrations/20_b.sql": "SELECT 'é';\nSELECT 2;\n",
  "migrations/3_c.up.sql": "SELECT 1;\n",
  "migrations/3_c.down.sql": "SELECT 2;\n",
  "node_modules/old/index.js": "module.exports = 'old';",
};

const read = (asset: BuiltAsset, path: string) => readFileSync(join(asset.dir, path), "utf8");
const filesOf = ({ dir }: BuiltAsset) =>
  readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());

describe("the manifest", () => {
  test("the manifest lists migrations in running order, with the digests of the CLI", async () => {
    const project = make(PROJECT);
    const asset = assetOf(project);
    const { manifest } = asset;
    expect(manifest.migrations).toMatchObject([
      { name: "3_c", fileName: "3_c.sql", kind: "pair", files: ["3_c.up.sql", "3_c.down.sql"] },
      { name: "20_b", fileName: "20_b.sql", kind: "sql", files: ["20_b.sql"] },
      { name: "1700000000000_a", fileName: "1700000000000_a.ts", kind: "module" },
    ]);
    const folder = await openFolder(project.dir, { cacheDir: join(project.root, "other-cache") });
    const names = manifest.migrations.map(({ name }) => name);
    const digests = manifest.migrations.map(({ digest }) => digest);
    expect(digests).toEqual([...(await folder.digests(names)).values()]);
    expect(JSON.parse(read(asset, "migrations/manifest.json"))).toEqual(manifest);
  });

  test("the manifest says which migrations may export shorthands", () => {
    const { manifest } = assetOf(
      make({
        ...BUILT_HANDLERS,
        "migrations/1_a.ts": "export const shorthands = {};",
        "migrations/2_b.sql": "",
      }),
    );
    expect(manifest.migrations.map(({ shorthands }) => shorthands)).toEqual([true, false]);
  });

  test("the manifest says what contracts wait for, and the asset of a wrong contract is refused", () => {
    const files = {
      ...BUILT_HANDLERS,
      "migrations/1_a.sql": "",
      "migrations/3_c.ts": "export const up = 1;",
    };
    const of = (text: string) =>
      make({ ...files, "migrations/2_b.sql": `-- migrate: contract after ${text}\n` });
    const { manifest } = assetOf(of("1_a"));
    expect(manifest.migrations.map(({ contractAfter }) => contractAfter)).toEqual([
      undefined,
      "1_a",
      undefined,
    ]);
    expect(refusalOf(of("3_c")).message).toBe(
      "2_b.sql is a contract after 3_c, which comes later in the running order",
    );
  });

  test("the manifest's hash stays the same for ever", () => {
    // Stacks hold it: a change here runs a deploy for every user.
    expect(assetOf(make(PROJECT)).manifest.hash).toMatchInlineSnapshot(
      `"f3416022259b74d042aaa944b197ea41d2e6e232936381de4c3213ebd2df970e"`,
    );
  });

  test.each(["migrations/lib/a.ts", "shared/s.sql", "migrations/3_c.down.sql"])(
    "has another hash when %s changes",
    (file) => {
      const project = make(PROJECT);
      const before = assetOf(project);
      project.write({ [file]: `${PROJECT[file]}\n\n` });
      const after = assetOf(project);
      expect(after.manifest.hash).not.toBe(before.manifest.hash);
      expect(after.hash).not.toBe(before.hash);
    },
  );
});

describe("equal assets", () => {
  const hashes = ({ hash, manifest }: BuiltAsset) => [hash, manifest.hash];

  test("an asset is the same in another folder, from another working directory, and with a relative path", () => {
    const first = make(PROJECT);
    const second = make(PROJECT);
    const before = assetOf(first);
    process.chdir(second.root);
    const after = assetOf({ ...second, dir: "migrations", root: "." });
    expect(hashes(after)).toEqual(hashes(before));
    expect(after.dir).toBe(join(second.cacheDir, "assets", after.hash));
    expect(read(after, "migrations/modules.mjs")).toBe(read(before, "migrations/modules.mjs"));
  });

  test("an asset is the same with the line endings of Windows", () => {
    const files = Object.entries(PROJECT).map(([name, text]) => [
      name,
      name.startsWith("migrations/") || name.startsWith("shared/") ? text.replaceAll("\n", "\r\n") : text,
    ]);
    const windows = assetOf(make(Object.fromEntries(files)), { ca: "a\r\nb\r\n" });
    expect(hashes(windows)).toEqual(hashes(assetOf(make(PROJECT), { ca: "a\nb\n" })));
    expect(read(windows, "migrations/sql/20_b.sql")).toBe("SELECT 'é';\nSELECT 2;\n");
  });

  test("an asset is the same wherever a package is installed", () => {
    const { "node_modules/old/index.js": old = "", ...others } = PROJECT;
    const near = { ...others, "migrations/node_modules/old/index.js": old };
    expect(hashes(assetOf(make(near)))).toEqual(hashes(assetOf(make(PROJECT))));
  });

  test("an asset is the same whatever the modes and times of files", () => {
    const project = make(PROJECT);
    chmodSync(join(project.dir, "20_b.sql"), 0o755);
    utimesSync(join(project.dir, "20_b.sql"), new Date(), new Date());
    expect(hashes(assetOf(project))).toEqual(hashes(assetOf(make(PROJECT))));
  });

  test("other handlers or certificates give another asset with the same manifest", () => {
    const project = make(PROJECT);
    const before = assetOf(project);
    const trusting = assetOf(project, { ca: "pem" });
    expect(read(trusting, "ca.pem")).toBe("pem");
    project.write({ "handlers/on-deploy.mjs": "export const handler = () => 4;" });
    const after = [trusting, assetOf(project)];
    expect(new Set([before, ...after].map(({ hash }) => hash)).size).toBe(3);
    expect(after.map(({ manifest }) => manifest)).toEqual([before.manifest, before.manifest]);
  });
});

test("everybody may read the asset, whatever the umask", () => {
  const project = make(PROJECT);
  const umask = process.umask(0o077);
  try {
    const asset = assetOf(project);
    const modes = filesOf(asset).map(({ parentPath, name }) => statSync(join(parentPath, name)).mode & 0o777);
    expect(new Set(modes)).toEqual(new Set([0o644]));
    const folders = [asset.dir, join(asset.dir, "migrations/sql")];
    expect(folders.map((path) => statSync(path).mode & 0o777)).toEqual([0o755, 0o755]);
  } finally {
    process.umask(umask);
  }
});

describe("cached assets", () => {
  const age = (path: string) => utimesSync(path, LONG_AGO, LONG_AGO);
  const assets = (project: Project) => readdirSync(join(project.cacheDir, "assets"));

  test("a cached asset is used again, and replaced if it was modified", () => {
    const project = make(PROJECT);
    const first = assetOf(project);
    age(first.dir);
    expect(assetOf(project)).toEqual(first);
    expect(statSync(first.dir).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
    writeFileSync(join(first.dir, "on-deploy.mjs"), "");
    expect(assetOf(project)).toEqual(first);
    expect(read(first, "on-deploy.mjs")).toBe(BUILT_HANDLERS["handlers/on-deploy.mjs"]);
    expect(assets(project).filter((name) => name.includes("tmp"))).toEqual([]);
  });

  test("a cached asset that was not used for a day is removed", () => {
    const project = make(PROJECT);
    const first = assetOf(project);
    const draft = join(project.cacheDir, "assets/x.tmp");
    mkdirSync(draft);
    for (const name of assets(project)) age(join(project.cacheDir, "assets", name));
    project.write({ "migrations/4_d.sql": "SELECT 4;" });
    const second = assetOf(project);
    expect(assets(project)).not.toContain(first.hash);
    expect(assets(project)).not.toContain("x.tmp");
    expect(assets(project)).toContain(second.hash);
  });

  test("a changed package changes the asset", () => {
    const project = make(PROJECT);
    const before = assetOf(project);
    project.write({ "node_modules/old/index.js": "module.exports = 'new';" });
    const after = assetOf(project);
    expect(after.manifest).toEqual(before.manifest);
    expect(after.hash).not.toBe(before.hash);
  });
});

test("ignored files are not in the asset", () => {
  const { manifest } = assetOf(make(PROJECT), { ignorePattern: "20_.*" });
  expect(manifest.migrations.map(({ name }) => name)).toEqual(["3_c", "1700000000000_a"]);
});

describe("a folder without migrations is refused", () => {
  test.each([
    ["empty", {}],
    ["with junk alone", { "migrations/.keep": "", "migrations/README.md": "", "migrations/1_a.sql~": "" }],
  ])("a folder %s is refused", (_what, files) => {
    const project = make({ ...BUILT_HANDLERS, ...files });
    const expected = {
      code: "USAGE",
      message: `no migrations in ${project.dir}`,
      details: { hint: expect.any(String) },
    };
    expect(refusalOf(project)).toMatchObject(expected);
  });

  test("a missing folder is refused", () => {
    const project = make(BUILT_HANDLERS);
    const refusal = refusalOf({ ...project, dir: join(project.root, "none") });
    expect(refusal).toMatchObject({ code: "USAGE", message: expect.stringMatching(/not found: .*none$/) });
    expect(refusal.details.hint).toContain("`migrationsDir`");
  });
});

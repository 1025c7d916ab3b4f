import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { MIGRATION_LANGUAGES } from "../../lib/folder/create.ts";
import { createMigration, openFolder } from "../../lib/folder/index.ts";
import { projects } from "./folders.ts";

const make = projects();
const now = new Date("2024-06-01T12:00:00.000Z");
const MODULES = join(import.meta.dirname, "../../node_modules");

describe("names of new migrations", () => {
  test.each([
    ["add user table", "add-user-table"],
    ["  add_user  table ", "add-user-table"],
    ["Add Users", "Add-Users"],
    ["v1.2", "v1.2"],
    ["größe", "größe"],
    ["gro\u0308ße", "gro\u0308ße"],
    ["テーブル追加", "テーブル追加"],
  ])("the name %j becomes %s", async (name, stem) => {
    const { dir } = make({});
    const created = await createMigration({ dir, name, now });
    expect(created).toEqual({
      name: `${now.valueOf()}_${stem}`,
      file: join(dir, `${now.valueOf()}_${stem}.ts`),
    });
  });

  test.each([
    ["", /says nothing/],
    [" _-", /says nothing/],
    ["a/b", /path separator/],
    ["..\\a", /path separator/],
    [".hidden", /begins with a dot/],
    ["users.ts", /ends with "\.ts"/],
    ["users.SQL", /ends with "\.SQL"/],
    ["users.up", /ends with "\.up"/],
    ["users.down", /ends with "\.down"/],
    ["users.d", /ends with "\.d"/],
    ["a\u0000b", /cannot be read/],
    ["a\nb", /cannot be read/],
    ["users?", /Windows/],
    ...[
      "o'brien",
      "`id`x",
      "a$b",
      "a;b",
      "a&b",
      "add (new)",
      "now!",
      "50%",
      "a,b",
      "a=b",
      "a\u00a0b",
      "a\u202eb",
      "a✨",
    ].map((name) => [name, /holds ".{1,2}"; a name has letters, digits, dashes and dots/u] as const),
    ["é".repeat(130), /too long/],
    ["x".repeat(300), /too long/],
  ])("the name %j is refused", async (name, message) => {
    const { dir } = make({});
    await expect(createMigration({ dir, name })).rejects.toMatchObject({
      code: "USAGE",
      message: expect.stringMatching(message),
      details: { hint: expect.anything() },
    });
  });
});

describe("numbers of new migrations", () => {
  test.each([
    ["0007_a.sql", now.valueOf()],
    ["1700000000000_a.ts", now.valueOf()],
    ["20240601115959999_a.ts", now.valueOf()],
    ["20240601120000000_a.ts", now.valueOf() + 1],
    [`${now.valueOf()}_a.ts`, now.valueOf() + 1],
    ["20990101000000000_a.up.sql", Date.UTC(2099, 0, 1) + 1],
    ["20240101120000_rails.sql", 20_240_601_120_000],
    ["20990101000000000_a.md", now.valueOf()],
  ])("the number after %s is %d", async (file, number) => {
    const { dir } = make({ [`migrations/${file}`]: "" });
    const { name } = await createMigration({ dir, name: "next", now });
    expect(name).toBe(`${number}_next`);
  });

  test("a new migration always sorts last", async () => {
    const { dir, cacheDir } = make({});
    for (const name of ["a", "b", "c"]) await createMigration({ dir, name, now });
    const { entries } = await openFolder(dir, { cacheDir });
    expect(entries.map(({ name }) => name.replace(/^\d+_/, ""))).toEqual(["a", "b", "c"]);
  });

  test("a migration after the greatest number is refused", async () => {
    const { dir } = make({ "migrations/99999999999999999999_a.sql": "" });
    await expect(createMigration({ dir, name: "x" })).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("files of new migrations", () => {
  test("a missing folder is created for a new migration", async () => {
    const { root } = make({});
    const { file } = await createMigration({ dir: join(root, "a/b"), name: "x", language: "sql", now });
    expect(basename(file)).toBe("1717243200000_x.sql");
    expect(readFileSync(file, "utf8")).toMatch(/^-- Up Migration$[\s\S]*^-- Down Migration$/m);
  });

  test("a migration cannot be created in a folder that is a file", async () => {
    const { root } = make({ plain: "" });
    await expect(createMigration({ dir: join(root, "plain"), name: "x" })).rejects.toMatchObject({
      code: "FILE_SYSTEM",
    });
  });

  test.each(MIGRATION_LANGUAGES)(
    "a new migration loads unchanged and exports no shorthands (%s)",
    async (language) => {
      const { dir, cacheDir } = make({});
      const { name } = await createMigration({ dir, name: "x", language });
      const folder = await openFolder(dir, { cacheDir });
      const loaded = (await folder.load([name])).get(name);
      if (loaded?.kind === "module") {
        expect(loaded.exports).toEqual({ up: expect.any(Function) });
      }
      expect(loaded?.kind).toBe(language === "sql" ? "sql" : "module");
      expect(await folder.shorthandNames()).toEqual([]);
    },
  );

  test("a new SQL migration has the headings that node-pg-migrate reads", async () => {
    const { file } = await createMigration({ dir: make({}).dir, name: "x", language: "sql" });
    const text = readFileSync(file, "utf8");
    for (const heading of ["up", "down"]) {
      const found = text.match(new RegExp(`^\\s*--[\\s-]*${heading}\\s+migration`, "gim"));
      expect(found).toHaveLength(1);
    }
  });

  test("a new migration type-checks in a project that depends on node-pg-migrate", async () => {
    const { root, dir } = make({
      "package.json": JSON.stringify({ type: "module", devDependencies: { "node-pg-migrate": "9.0.0" } }),
    });
    for (const language of ["ts", "mts", "js", "mjs"] as const) {
      const { file } = await createMigration({ dir, name: language, language });
      expect(readFileSync(file, "utf8")).not.toContain("cdk-pg-migrate");
    }
    mkdirSync(join(root, "node_modules"));
    for (const name of ["node-pg-migrate", "pg", "@types"]) {
      symlinkSync(join(MODULES, name), join(root, "node_modules", name));
    }
    const options = {
      strict: true,
      module: "nodenext",
      noEmit: true,
      allowJs: true,
      checkJs: true,
      types: ["node"],
    };
    writeFileSync(
      join(root, "tsconfig.json"),
      JSON.stringify({ compilerOptions: { ...options, skipLibCheck: true } }),
    );
    const checked = spawnSync(process.execPath, [join(MODULES, "typescript/bin/tsc"), "-p", root], {
      encoding: "utf8",
    });
    expect(checked.stdout).toBe("");
    expect(checked.status).toBe(0);
  });

  test.each(["ts", "mts", "js", "mjs", "cjs"] as const)(
    "a new migration takes its types from cdk-pg-migrate where the project does not depend on node-pg-migrate (%s)",
    async (language) => {
      const { dir } = make({
        "package.json": JSON.stringify({ dependencies: { "cdk-pg-migrate": "0.1.0" } }),
      });
      const { file } = await createMigration({ dir, name: "x", language });
      const text = readFileSync(file, "utf8");
      expect(text).toContain(
        language.endsWith("ts")
          ? 'import type { MigrationBuilder } from "cdk-pg-migrate";'
          : '@param {import("cdk-pg-migrate")',
      );
      expect(text).not.toContain('"node-pg-migrate"');
    },
  );
});

describe("folders with dates of 14 digits", () => {
  test.each([
    ["20240501000000_a.sql", "20240601120000_b"],
    ["20250101000000_a.sql", "20250101000001_b"],
    ["99999999999999_a.sql", "100000000000000_b"],
    ["20240501000000000_a.sql", `${now.valueOf()}_b`],
  ])("a new migration continues %s as %s", async (newest, expected) => {
    const { dir } = make({ [`migrations/${newest}`]: "" });
    expect((await createMigration({ dir, name: "b", now })).name).toBe(expected);
  });

  test("ignored files do not count for the number of a new migration", async () => {
    const { dir } = make({ "migrations/20990101000000_a.sql": "" });
    const created = await createMigration({ dir, name: "b", now, ignorePattern: "2099.*" });
    expect(created.name).toBe(`${now.valueOf()}_b`);
  });
});

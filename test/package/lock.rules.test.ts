import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "@jest/globals";
import * as v from "valibot";

const REPOSITORY = resolve(import.meta.dirname, "../..");

const Lock = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    packages: v.record(
      v.string(),
      v.object({ version: v.optional(v.string()), resolved: v.optional(v.string()) }),
    ),
  }),
);

describe("the lock file", () => {
  it("the lock file is in sync with package.json, so that `npm ci` works in a clean clone", async () => {
    const args = ["ci", "--dry-run", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"];
    await expect(promisify(execFile)("npm", args, { cwd: REPOSITORY })).resolves.toBeDefined();
  });

  it("the lock file names the linter's program for every platform that it supports", () => {
    const { packages } = v.parse(Lock, readFileSync(`${REPOSITORY}/package-lock.json`, "utf8"));
    const version = packages["node_modules/squawk-cli"]?.version;
    expect(version).toBe("2.61.0");
    for (const platform of ["darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64", "win32-x64"]) {
      expect(packages[`node_modules/@squawk-cli/${platform}`]?.version).toBe(version);
    }
  });
});

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { transform } from "esbuild";
import { withDatabase } from "../support/database.ts";
import { environmentOf } from "./command.ts";

const REPOSITORY = resolve(import.meta.dirname, "../..");
const PROGRAMS = ["bin/run.mjs", "scripts/start.mjs"];

describe("a version of Node that is not supported", () => {
  it.each(
    PROGRAMS.flatMap((program) =>
      ["14.21.3", "18.20.4", "20.10.0", "21.7.3"].map((version) => ({ program, version })),
    ),
  )(
    "an unsupported version of Node is refused with one sentence ($program on $version)",
    ({ program, version }) => {
      const preload = join(mkdtempSync(join(tmpdir(), "cdk-pg-migrate-test-")), "version.cjs");
      const versions = `{ ...process.versions, node: "${version}" }`;
      writeFileSync(
        preload,
        `Object.defineProperty(process, "versions", { value: ${versions} }); delete process.getBuiltinModule;`,
      );
      const ended = spawnSync(process.execPath, ["--require", preload, join(REPOSITORY, program), "status"], {
        encoding: "utf8",
      });
      expect(ended.stderr).toBe(
        `cdk-pg-migrate needs Node.js 20.19 or a later 20, or 22.12 or newer; this is ${version} (${process.execPath}).\n`,
      );
      expect(ended).toMatchObject({ stdout: "", status: 1 });
    },
  );

  it.each([...PROGRAMS, "scripts/check-node.mjs", "lib/folder/safe-cache.mjs"])(
    "an unsupported version of Node can parse the program and print that sentence (%s)",
    async (program) => {
      const text = readFileSync(join(REPOSITORY, program), "utf8");
      const written = async (target: string) => (await transform(text, { format: "esm", target })).code;
      expect(await written("node14")).toBe(await written("esnext"));
    },
  );
});

/** A checkout whose node_modules this command does not put code into, because everybody may write there. */
function openCheckout() {
  const root = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-test-"));
  for (const name of ["bin", "lib", "scripts", "migrations", "package.json", "package-lock.json"])
    cpSync(join(REPOSITORY, name), join(root, name), { recursive: true });
  const modules = join(root, "node_modules");
  mkdirSync(modules);
  for (const name of readdirSync(join(REPOSITORY, "node_modules"))) {
    if (!name.startsWith("."))
      symlinkSync(join(REPOSITORY, "node_modules", name), join(modules, name), "junction");
  }
  chmodSync(modules, 0o777);
  const temporary = join(root, "tmp");
  mkdirSync(temporary, { mode: 0o700 });
  return { root, modules, temporary };
}

describe("a checkout with a node_modules that cannot hold compiled code", () => {
  it("a command runs all the same, from a folder that only this user may enter", () =>
    withDatabase(async (db) => {
      const { root, modules, temporary } = openCheckout();
      const env = { ...process.env, ...environmentOf(db.connection), TMPDIR: temporary };
      for (const args of [["up"], ["status", "--check"], ["plan", "--down"]]) {
        const ended = spawnSync(process.execPath, [join(root, "bin/run.mjs"), ...args], {
          cwd: root,
          env,
          encoding: "utf8",
        });
        expect(ended).toMatchObject({ stderr: expect.not.stringContaining("Error"), status: 0 });
      }
      expect(existsSync(join(modules, ".cache/cdk-pg-migrate"))).toBe(false);
      const [cache = ""] = readdirSync(temporary);
      expect(cache).toMatch(/^cdk-pg-migrate/);
      expect(statSync(join(temporary, cache)).mode & 0o077).toBe(0);
      rmSync(root, { recursive: true });
    }));
});

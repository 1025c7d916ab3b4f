import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "@jest/globals";
import { ROOT } from "./synth.ts";

const CDK = join(createRequire(import.meta.url).resolve("aws-cdk/package.json"), "..", "bin", "cdk");
/** A folder for the files of a test file, which is deleted at its end. */
export const home = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-synth-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/**
 * CDK's command, without credentials or anything else of the machine in its environment, and with no way to
 * the network.
 */
export function cdk(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const nowhere = "http://127.0.0.1:1";
  const { status, stdout, stderr } = spawnSync(process.execPath, [CDK, ...args], {
    cwd: ROOT,
    encoding: "utf8",
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      CI: "true",
      HTTP_PROXY: nowhere,
      HTTPS_PROXY: nowhere,
      AWS_EC2_METADATA_DISABLED: "true",
      CDK_DISABLE_CLI_TELEMETRY: "true",
      CDK_DISABLE_VERSION_CHECK: "1",
      ...env,
    },
  });
  return { status, stdout, stderr, output: stdout + stderr };
}

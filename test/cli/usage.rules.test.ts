import { existsSync } from "node:fs";
import { describe, expect, it, test } from "@jest/globals";
import { CLI_COMMANDS } from "../../lib/cli/commands/index.ts";
import { COMMAND, jsonOf, runCommand, startProgram, writeProject } from "./command.ts";

const PROJECT = writeProject({ "1_a.sql": "SELECT 1" });
const NOWHERE = { DATABASE_HOST: "127.0.0.1", DATABASE_PORT: "1" };

describe("--help", () => {
  test.each(CLI_COMMANDS.map(({ name }) => name))(
    "the help of %s goes to stdout, and the command exits with 0",
    async (command) => {
      const { code, stdout, stderr } = await runCommand(PROJECT, [command, "--help"]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toContain(`Usage: cdk-pg-migrate ${command}`);
      expect(stdout).toContain("--help");
    },
  );

  it("the help lists every command", async () => {
    const { code, stdout } = await runCommand(PROJECT, ["--help"]);
    expect(code).toBe(0);
    for (const { name } of CLI_COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
  });

  it("no command at all is a usage error that shows the help", async () => {
    const { code, stdout, stderr } = await runCommand(PROJECT, []);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Usage:");
  });
});

describe("a usage error", () => {
  test.each<[string, string[], RegExp]>([
    ["an unknown command", ["frobnicate"], /unknown command 'frobnicate'/],
    ["a mistyped command", ["stauts"], /Did you mean status/],
    ["an unknown flag", ["up", "--frob"], /unknown option '--frob'/],
    ["a count of 0", ["up", "0"], /whole number from 1 up/],
    ["a count that is how a name begins", ["down", "00003"], /whole number from 1 up; --to takes a name/],
    ["a name in place of a count", ["down", "1_a"], /--to takes a name/],
    ["a choice that is none", ["up", "--order", "lax"], /strict, warn, allow/],
    ["a time that is none", ["up", "--lock-wait", "soon"], /number of seconds/],
    ["a time that no server takes", ["up", "--lock-timeout", "99999999999"], /seconds from 0 to 2147483/],
    [
      "two ways to say a state",
      ["history", "--failed", "--state", "started"],
      /--failed' cannot be used with/,
    ],
    ["batch of a plan of up", ["plan", "--batch"], /batch is about undoing/],
    ["no name to create", ["create"], /missing required argument/],
    ["two languages", ["create", "x", "--sql", "-j", "js"], /--sql and --language js exclude each other/],
    ["an empty folder name", ["status", "-m", ""], /It must name a folder/],
    ["a language that is none", ["create", "x", "-j", "cts"], /ts, js, mjs/],
    ["a missing folder", ["status", "-m", "nowhere"], /migrations folder not found/],
    ["a bad port", ["status"], /DATABASE_PORT must be/],
  ])(
    "the command exits with 2 and writes to stderr, and with --json also one object to stdout: %s",
    async (_, args, message) => {
      const env = { DATABASE_PORT: "x" };
      const { code, stdout, stderr } = await runCommand(PROJECT, args, env);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toMatch(message);
      const inJson = await runCommand(PROJECT, [...args, "--json"], env);
      expect(inJson.code).toBe(2);
      if (args[0] !== "frobnicate" && args[0] !== "stauts") {
        expect(jsonOf(inJson)).toMatchObject({
          ok: false,
          error: { code: "USAGE", hint: expect.any(String) },
        });
        expect(inJson.stdout).toMatch(message);
      }
    },
  );

  it.each([
    [["up", "--frob"], "npm run migrate:up -- --help lists what can be given."],
    [["db:start", "--frob"], "npm run db:start -- --help lists what can be given."],
    [["frobnicate"], "--help lists the commands."],
  ])("the hint after %j can be typed", async (args, hint) => {
    const { stderr } = await runCommand(PROJECT, args);
    expect(stderr).toContain(`What to do: ${hint}\n`);
  });

  it("an unknown command with --json prints one object too", async () => {
    expect(jsonOf(await runCommand(PROJECT, ["frobnicate", "--json"]))).toMatchObject({
      ok: false,
      error: { code: "USAGE" },
    });
  });
});

describe("flags that npm did not pass on", () => {
  test.each<[string, string[], Record<string, string>]>([
    ["--dry-run", ["up"], { npm_config_dry_run: "true" }],
    ["--to", ["down"], { npm_config_token_description: "1_a" }],
    ["--migrations-dir", ["status"], { npm_config_migrations_dir: "x" }],
    ["--fake", ["up"], { npm_config_fake: "true" }],
    ["--check", ["status"], { npm_config_check: "true" }],
    ["--sql", ["create", "x"], { npm_config_long: "true", npm_config_loglevel: "warn" }],
    ["--migrations-dir", ["create", "x"], { npm_config_message: "other" }],
    ["--json", ["create", "x", "sql"], { npm_config_json: "true" }],
    ["--json", ["up"], { npm_config_json: "true" }],
    ["--all", ["status"], { npm_config_all: "true" }],
  ])(
    "the flag %s that npm took is refused, because nothing must run without it",
    async (flag, args, config) => {
      const env = { ...NOWHERE, ...config, npm_lifecycle_event: `migrate:${args[0]}` };
      const { code, stderr } = await runCommand(PROJECT, args, env);
      expect(code).toBe(2);
      expect(stderr).toContain(`npm took ${flag} for itself`);
      expect(stderr).toContain(`npm run migrate:${args[0]} -- ${flag}`);
    },
  );

  it("a flag that has arrived, or belongs to another script, is not refused", async () => {
    const config = { ...NOWHERE, npm_config_dry_run: "true" };
    const arrived = await runCommand(PROJECT, ["up", "--dry-run"], {
      ...config,
      npm_lifecycle_event: "migrate:up",
    });
    const other = await runCommand(PROJECT, ["up"], { ...config, npm_lifecycle_event: "test" });
    expect([arrived.code, other.code]).toEqual([1, 1]);
  });
});

if (existsSync("/dev/full")) {
  it("a command fails when its output cannot be written, as on a full disk", async () => {
    const command = `"$0" "$1" --help > /dev/full`;
    const { code, stderr } = await startProgram(PROJECT, "sh", ["-c", command, process.execPath, COMMAND])
      .ended;
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining("could not be written: ENOSPC"),
    });
  });
}

it("a command survives a reader that goes away, on both outputs", async () => {
  const command = `"$0" "$1" --help 2>&1 | head -1; exit "\${PIPESTATUS[0]}"`;
  const { code, stdout } = await startProgram(PROJECT, "bash", ["-c", command, process.execPath, COMMAND])
    .ended;
  expect({ code, stdout }).toEqual({ code: 0, stdout: "Usage: cdk-pg-migrate [options] [command]\n" });
});

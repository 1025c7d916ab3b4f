import type { Command } from "commander";
import { MigrationError } from "../core/index.ts";
import { commandLine, type World } from "./world.ts";

/**
 * Settings that npm reads a flag of ours as: it takes an unknown flag for a longer one of its own that begins the
 * same, `-m` for its own `--message`, and `--sql` for its `-s -q -l`, of which `long` stays in sight.
 */
const NPM_READS: Readonly<Record<string, string>> = {
  to: "token-description",
  sql: "long",
  "migrations-dir": "message",
};

/** Of these npm leaves nothing behind that tells what was typed. */
const OUT_OF_SIGHT = ["local", "version", "help"];

/**
 * `npm run migrate:up --dry-run` gives the flag to npm, and would run for real: npm passes on only what stands
 * behind `--`. It leaves what it took in the environment, except for `--local`.
 * @throws MigrationError `USAGE`
 */
export function refuseSwallowedFlags({ env }: World, command: Command): void {
  // Only where npm has started this very script.
  if (env["npm_lifecycle_event"]?.replace(/^migrate:/, "") !== command.name()) return;
  for (const option of command.options) {
    const flag = option.long?.replace(/^--/, "") ?? "";
    if (OUT_OF_SIGHT.includes(flag) || command.getOptionValueSource(option.attributeName()) === "cli")
      continue;
    const names = [flag, NPM_READS[flag] ?? flag].map((name) => `npm_config_${name.replaceAll("-", "_")}`);
    if (names.every((name) => env[name] === undefined)) continue;
    throw new MigrationError("USAGE", `npm took --${flag} for itself; nothing was run`, {
      hint: `Flags go behind two dashes: ${commandLine(command.name(), `--${flag} …`)}`,
    });
  }
}

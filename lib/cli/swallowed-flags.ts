import type { Command } from "commander";
import { MigrationError } from "../migrator/index.ts";
import { commandLine, type World } from "./world.ts";

/** npm takes an unknown flag for the longer one of its own that begins the same. */
const NPM_EXPANDS: Readonly<Record<string, string>> = { to: "token-description" };

/** Settings of npm itself: that one is set says nothing about what was typed here. */
const NPMS_OWN = ["json", "all", "local", "version", "help"];

/**
 * `npm run migrate:up --dry-run` gives the flag to npm, and would run for real: npm passes on only what stands
 * behind `--`. It leaves what it took in the environment; of `--local` and `--sql`, which mean something else
 * to npm, nothing is left that could be seen.
 * @throws MigrationError `USAGE`
 */
export function refuseSwallowedFlags({ env }: World, command: Command): void {
  // Only where npm has started this very script.
  if (env["npm_lifecycle_event"]?.replace(/^migrate:/, "") !== command.name()) return;
  const flags = command.options.flatMap(({ long }) => (long === undefined ? [] : [long.replace(/^--/, "")]));
  for (const flag of flags.filter((name) => !NPMS_OWN.includes(name))) {
    const names = [flag, NPM_EXPANDS[flag] ?? flag].map((name) => `npm_config_${name.replaceAll("-", "_")}`);
    if (
      names.every((name) => env[name] === undefined) ||
      command.getOptionValueSource(camelCase(flag)) === "cli"
    )
      continue;
    throw new MigrationError("USAGE", `npm took --${flag} for itself; nothing was run`, {
      hint: `Flags go behind two dashes: ${commandLine(command.name(), `--${flag} …`)}`,
    });
  }
}

function camelCase(flag: string): string {
  return flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

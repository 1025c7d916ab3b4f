import { commandLine } from "../world.ts";

/** The engine names commands by their word; here they become what can be typed. */
export function adviceFor(hint: string): string {
  return hint.replace(COMMAND, (_, command: string, flags = "") =>
    commandLine(command, String(flags).trim()),
  );
}

const COMMAND =
  /`(up|down|redo|status|plan|create|repair|resolve|baseline|history|verify|lint|dump|db:start|db:stop|db:reset)( [^`]*)?`/g;

import { commandLine } from "../world.ts";

/** The engine names commands by their word; here they become what can be typed. */
export function adviceFor(hint: string): string {
  return hint.replace(
    /`(up|down|redo|status|plan|create|repair|resolve|baseline|history)`/g,
    (_, command: string) => commandLine(command),
  );
}

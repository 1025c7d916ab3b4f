import type { World } from "../../lib/cli/world.ts";

/** An outside world in memory: what is written to a terminal of so many columns can be read. */
export function createWorld(
  columns?: number,
  env: World["env"] = {},
): World & { readonly written: () => string } {
  let text = "";
  const output = {
    isTTY: columns !== undefined,
    columns,
    write: (part: string) => {
      text += part;
    },
  };
  return {
    argv: [],
    env,
    cwd: "/",
    stdout: output,
    stderr: output,
    signal: new AbortController().signal,
    leaveInterruptsToChild: () => {},
    written: () => text,
  };
}

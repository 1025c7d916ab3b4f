import type { ProcessIo } from "../../lib/cli/process-io.ts";

/** An outside io in memory: what is written to a terminal of so many columns can be read. */
export function createIo(
  columns?: number,
  env: ProcessIo["env"] = {},
): ProcessIo & { readonly written: () => string } {
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
    ask: async () => undefined,
    leaveInterruptsToChild: () => {},
    written: () => text,
  };
}

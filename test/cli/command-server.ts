/**
 * Runs one command after another in one process: a request over IPC, an answer when it has ended. What a command
 * prints goes to this process's own outputs; a mark at the end of each tells that all of it has been read.
 */
import { main } from "../../lib/cli/main.ts";
import type { CommandAnswer, CommandRequest } from "./shared-process.ts";

process.setSourceMapsEnabled(true);
process.on("message", async ({ id, cwd, args, env }: CommandRequest) => {
  process.chdir(cwd);
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  const { stdout, stderr } = process;
  const signal = new AbortController().signal;
  const code = await main({
    argv: args,
    env,
    cwd,
    stdout,
    stderr,
    signal,
    ask: async () => undefined,
    leaveInterruptsToChild: () => {},
  });
  for (const output of [stdout, stderr]) output.write(`\0end ${id}\n`);
  const answer: CommandAnswer = { id, code };
  process.send?.(answer);
});

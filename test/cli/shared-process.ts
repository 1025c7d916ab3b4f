import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll } from "@jest/globals";
import { compiled } from "../support/compiled.ts";
import type { Environment, Outcome } from "./command.ts";

const SERVER = fileURLToPath(new URL("./command-server.ts", import.meta.url));

export interface CommandRequest {
  readonly id: number;
  readonly cwd: string;
  readonly args: readonly string[];
  readonly env: Environment;
}

export interface CommandAnswer {
  readonly id: number;
  readonly code: number;
}

/** One process for all commands of a test file: to start one for each took most of the time of these tests. */
class SharedProcess {
  readonly #child: ChildProcess;
  #count = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor() {
    this.#child = fork(compiled(SERVER), { stdio: ["ignore", "pipe", "pipe", "ipc"], env: {}, execArgv: [] });
    for (const output of [this.#child.stdout, this.#child.stderr]) output?.setEncoding("utf8");
  }

  run(cwd: string, args: readonly string[], env: Environment): Promise<Outcome> {
    this.#count += 1;
    const request = { id: this.#count, cwd, args, env };
    const next = this.#last.then(() => this.#run(request));
    this.#last = next.catch(() => {});
    return next;
  }

  get hasEnded(): boolean {
    return !this.#child.connected;
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }

  async #run(request: CommandRequest): Promise<Outcome> {
    const answer = new Promise<CommandAnswer>((resolve, reject) => {
      this.#child.once("message", resolve);
      this.#child.once("close", () => reject(new Error(`the process ended in ${request.args.join(" ")}`)));
    });
    const outputs = Promise.all([this.#read("stdout", request.id), this.#read("stderr", request.id)]);
    this.#child.send(request);
    const { code } = await answer;
    const [stdout, stderr] = await outputs;
    return { code, stdout, stderr };
  }

  #read(name: "stdout" | "stderr", id: number): Promise<string> {
    const end = `\0end ${id}\n`;
    let text = "";
    return new Promise((resolve) => {
      const onData = (part: string) => {
        text += part;
        if (!text.endsWith(end)) return;
        this.#child[name]?.off("data", onData);
        resolve(text.slice(0, -end.length));
      };
      this.#child[name]?.on("data", onData);
    });
  }
}

let shared: SharedProcess | undefined;

afterAll(() => shared?.close());

export function runInSharedProcess(cwd: string, args: readonly string[], env: Environment): Promise<Outcome> {
  if (shared === undefined || shared.hasEnded) shared = new SharedProcess();
  return shared.run(cwd, args, env);
}

import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("./orphan-killer.mjs", import.meta.url));

/** Sees to it that no process of a function outlives this one. */
export class OrphanKiller {
  readonly #child: ChildProcessByStdio<Writable, null, null>;

  constructor() {
    this.#child = spawn(process.execPath, [PROGRAM], { stdio: ["pipe", "ignore", "ignore"] });
  }

  watch(child: ChildProcess): void {
    this.#tell(`+${child.pid}`);
    child.once("exit", () => this.#tell(`-${child.pid}`));
  }

  /** Done once every watched process has ended. */
  close(): void {
    this.#child.stdin.end();
  }

  #tell(line: string): void {
    if (this.#child.stdin.writable) this.#child.stdin.write(`${line}\n`);
  }
}

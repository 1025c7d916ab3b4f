import { type FunctionSettings, isSameFunction } from "./function.ts";
import type { Sandbox } from "./sandbox.ts";

/** Frozen processes are not free: 17 MB each. */
const ROOM = 24;

/**
 * Processes of code that is not installed now. Lambda would start a new one when the code comes back; here its old one
 * goes on, because starting them is most of what the scenarios cost.
 */
export class UninstalledSandboxes {
  #sandboxes: Sandbox[] = [];

  async put(...sandboxes: readonly Sandbox[]): Promise<void> {
    const all = [...this.#sandboxes, ...sandboxes];
    this.#sandboxes = all.slice(-ROOM);
    await Promise.all(all.slice(0, -ROOM).map((sandbox) => sandbox.stop()));
  }

  take(settings: FunctionSettings): Sandbox | undefined {
    const found = this.#sandboxes.findLast((sandbox) => isSameFunction(sandbox.settings, settings));
    this.#sandboxes = this.#sandboxes.filter((sandbox) => sandbox !== found);
    return found;
  }

  async clear(): Promise<void> {
    await Promise.all(this.#sandboxes.splice(0).map((sandbox) => sandbox.stop()));
  }
}

import { setImmediate as afterSending } from "node:timers/promises";
import { type DescribedFile, describeFile } from "../build/describe.ts";
import type { Planned } from "./planned.ts";

/** What the history keeps of each migration's file. That of the next is made while the server has the one before. */
export class Described {
  readonly #ahead = new Map<Planned, Promise<DescribedFile>>();
  #last: Promise<unknown> = Promise.resolve();

  of(planned: Planned): Promise<DescribedFile> {
    return this.#ahead.get(planned) ?? describe(planned);
  }

  /** Call when the migration before it is under way. One after the other: the code of migrations runs for it. */
  prepare(planned: Planned | undefined): void {
    if (planned?.direction !== "up" || this.#ahead.has(planned)) return;
    const file = Promise.all([afterSending(), this.#last]).then(() => describe(planned));
    // Who asks for it is told; nobody does when the one before fails.
    this.#last = file.catch(() => {});
    this.#ahead.set(planned, file);
  }
}

function describe({ context, built, sourceDigest }: Planned): Promise<DescribedFile> {
  return describeFile(context, built.kind === "static" ? built.steps : undefined, sourceDigest);
}

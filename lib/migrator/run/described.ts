import { setImmediate as afterSending } from "node:timers/promises";
import { type DescribedFile, describeFile } from "../build/describe.ts";
import { isEmptySql } from "../sql/split.ts";
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

async function describe({ name, context, built, sourceDigest }: Planned): Promise<DescribedFile> {
  const steps = built.kind === "static" ? built.steps : undefined;
  const described = await describeFile(context, steps, sourceDigest);
  const { downSql } = described;
  if (downSql !== undefined && isEmptySql(downSql) && !isEmptySql(steps ?? ["SELECT 1"]))
    context.warn(
      `the down of ${name} is empty: it would leave all that up does, and forget that it was applied`,
    );
  return described;
}

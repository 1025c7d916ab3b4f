import * as v from "valibot";
import { MigrationError } from "../../lib/core/index.ts";
import { ENV } from "../contract.ts";
import type { Invocation } from "../runtime/invocation.ts";
import { problemsOf } from "../runtime/schema.ts";
import type { Environment } from "../runtime/settings.ts";
import { Bucket } from "./bucket.ts";
import { readOutcomes } from "./results.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** The part of the state machine's words that is used here. */
const CHECK = v.object({
  wave: v.object({
    name: v.string(),
    count,
    tolerated: count,
    groups: v.array(v.object({ resultPrefix: v.string() })),
  }),
});

/**
 * Decides after a wave whether the next one begins. A target of which nothing is known counts as failed: a Map Run that was
 * stopped has written nothing of it.
 */
export async function checkWave(
  payload: unknown,
  { log }: Invocation,
  env: Environment,
): Promise<{ readonly stop: boolean }> {
  const parsed = v.safeParse(CHECK, payload);
  if (!parsed.success) {
    throw new MigrationError("ASSET", `this is no wave of a fleet: ${problemsOf(parsed.issues)}`, {
      hint: "The construct's state machines invoke this function: deploy again.",
    });
  }
  const { name, count, tolerated, groups } = parsed.output.wave;
  const bucket = new Bucket(env[ENV.fleetBucket] ?? "", "FLEET");
  try {
    const outcomes = await Promise.all(
      groups.map(({ resultPrefix }) => readOutcomes(bucket, `${resultPrefix}/`)),
    );
    const done = outcomes.flat().filter(({ outcome }) => outcome === "done").length;
    const stop = count - done > tolerated;
    log[stop ? "error" : "info"](`the wave ${name} is over`, { targets: count, done, tolerated, stop });
    return { stop };
  } finally {
    bucket.close();
  }
}

import * as v from "valibot";
import { OUTCOME, type Outcome, untouchedOutcome } from "../../lib/fleet/index.ts";
import { cut } from "../runtime/custom-resource.ts";
import type { Bucket } from "./bucket.ts";
import { inParallel } from "./parallel.ts";

/** What a Distributed Map has written about its items, in files that its manifest names. */
const MANIFEST = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ ResultFiles: v.record(v.string(), v.array(v.object({ Key: v.string() }))) }),
);

const RECORDS = v.pipe(
  v.string(),
  v.parseJson(),
  v.array(
    v.object({
      Status: v.string(),
      Input: v.optional(v.string()),
      Output: v.optional(v.string()),
      Error: v.optional(v.string()),
      Cause: v.optional(v.string()),
    }),
  ),
);
type Record = v.InferOutput<typeof RECORDS>[number];

const FILES_AT_ONCE = 10;
const MESSAGE_BYTES = 500;

/**
 * The outcomes below a prefix, one for each target. A Map Run that was started again has written of a target more than
 * once: what was done counts, then what failed.
 */
export async function readOutcomes(bucket: Bucket, prefix: string): Promise<readonly Outcome[]> {
  const keys = await bucket.keys(prefix);
  const manifests = keys.filter((key) => key.endsWith("/manifest.json"));
  const files = await inParallel(manifests, FILES_AT_ONCE, async (key) => {
    const { ResultFiles } = v.parse(MANIFEST, await bucket.read(key));
    return Object.values(ResultFiles).flatMap((kind) => kind.map(({ Key }) => Key));
  });
  const records = await inParallel(files.flat(), FILES_AT_ONCE, async (key) =>
    v.parse(RECORDS, await bucket.read(key)),
  );
  const outcomes = new Map<string, Outcome>();
  for (const outcome of records.flat().map(outcomeOf)) {
    const other = outcomes.get(outcome.target);
    if (other === undefined || rank(outcome) > rank(other)) outcomes.set(outcome.target, outcome);
  }
  return [...outcomes.values()];
}

function rank({ outcome }: Outcome): number {
  return ["untouched", "failed", "done"].indexOf(outcome);
}

const Outcomes = v.pipe(v.string(), v.parseJson(), OUTCOME);
const Input = v.pipe(v.string(), v.parseJson(), v.object({ target: v.object({ name: v.string() }) }));
const LambdaError = v.pipe(v.string(), v.parseJson(), v.object({ errorMessage: v.string() }));

/** The child execution's output, or the cause of its failure, is the outcome itself, unless it never came so far. */
function outcomeOf({ Status, Input: input, Output, Error: code, Cause }: Record): Outcome {
  const own = v.safeParse(Outcomes, Output ?? Cause);
  if (own.success) return own.output;
  const parsed = v.safeParse(Input, input);
  const target = parsed.success ? parsed.output.target.name : "unknown";
  if (Status === "PENDING") return untouchedOutcome(target);
  if (Status === "SUCCEEDED") return { target, outcome: "done", completed: 0 };
  return { target, outcome: "failed", completed: 0, ...reasonOf(Status, code, Cause) };
}

function reasonOf(
  status: string,
  error: string | undefined,
  cause: string | undefined,
): Pick<Outcome, "code" | "message"> {
  if (status === "ABORTED" || status === "TIMED_OUT") {
    const how = status === "ABORTED" ? "was stopped" : "took too long";
    const message = `the execution ${how} while this target ran, and its function may have gone on: what is applied is in the target's own record`;
    return { code: status === "ABORTED" ? "CANCELLED" : "DEADLINE", message };
  }
  const fromLambda = v.safeParse(LambdaError, cause);
  const message = fromLambda.success ? fromLambda.output.errorMessage : (cause ?? "failed without a cause");
  return { code: error ?? "INTERNAL", message: cut(message, MESSAGE_BYTES) };
}

import {
  ExecutionAbortedError,
  ExecutionTimeoutError,
  StateMachine,
  type StateMachineDefinition,
} from "aws-local-stepfunctions";
import * as v from "valibot";
import { type Machine, playable, type Work } from "./definition.ts";

/** What became of an execution. */
export interface Outcome {
  readonly status: "SUCCEEDED" | "FAILED" | "ABORTED" | "TIMED_OUT";
  readonly output?: unknown;
  readonly error?: string;
  readonly cause?: string;
}

/** The failure of a state, which Retry and Catch see. */
export class StateFailure extends Error {
  constructor(error: string, cause: string) {
    super(cause);
    this.name = error;
  }
}

/** An execution that goes on. */
export interface Play {
  readonly outcome: Promise<Outcome>;
  abort(): void;
}

export interface Stage {
  readonly input: unknown;
  /** What a second of the definition takes. */
  readonly secondMs: number;
  /** The Context Object, without what the interpreter adds: input and start. */
  readonly context: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Does the work of a state. @throws StateFailure */
  perform(work: Work, input: unknown): Promise<unknown>;
  /** Takes an event of the history, as JSON. */
  record(event: string): void;
}

/** https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html: input or output of a state, in bytes. */
const MAX_DATA_BYTES = 262_144;

const Definition = v.custom<StateMachineDefinition>((machine) => machine !== undefined);
/** Any JSON; the interpreter's type for it is not exported. */
const Data = v.custom<ReturnType<typeof JSON.parse>>(() => true);
const Failure = v.object({ name: v.string(), message: v.string() });

/** Starts an execution: the states and what flows between them are the interpreter's, the work is `perform`'s. */
export function play(machine: Machine, { input, secondMs, context, perform, record }: Stage): Play {
  supplyWithResolvers();
  const { definition, work } = playable(machine, secondMs);
  const handlers = [...work].map(([name, one]) => [
    name,
    async (given: unknown) => v.parse(Data, await perform(one, given)),
  ]);
  const run = new StateMachine(v.parse(Definition, definition), {
    validationOptions: { noValidate: true },
  }).run(v.parse(Data, input), {
    context,
    overrides: { taskResourceLocalHandlers: Object.fromEntries(handlers) },
  });
  const outcome = Promise.all([settle(run.result), recordAll(run, record)]).then(
    ([settled, tooLarge]) => tooLarge ?? settled,
  );
  return { outcome, abort: run.abort };
}

async function settle(result: Promise<unknown>): Promise<Outcome> {
  try {
    return { status: "SUCCEEDED", output: await result };
  } catch (error) {
    if (error instanceof ExecutionAbortedError) return { status: "ABORTED" };
    if (error instanceof ExecutionTimeoutError) return { status: "TIMED_OUT", error: "States.Timeout" };
    const { name, message } = v.parse(Failure, error instanceof Error ? error.cause : error);
    return { status: "FAILED", error: name, cause: message };
  }
}

/** @returns the failure of an execution whose data is too large, which no Catch can take */
async function recordAll(
  { eventLogs, abort }: ReturnType<StateMachine["run"]>,
  record: (event: string) => void,
): Promise<Outcome | undefined> {
  for await (const event of eventLogs) {
    record(JSON.stringify(event));
    if (!("state" in event)) continue;
    const { name, input, output } = event.state;
    if ([input, output].every((data) => Buffer.byteLength(JSON.stringify(data) ?? "") <= MAX_DATA_BYTES))
      continue;
    abort();
    const cause = `The state/task '${name}' returned a result with a size exceeding the maximum number of bytes`;
    return { status: "FAILED", error: "States.DataLimitExceeded", cause };
  }
  return undefined;
}

/** The interpreter is made for Node 22: of what Node 20 lacks, it uses this one function. */
function supplyWithResolvers(): void {
  if ("withResolvers" in Promise) return;
  Reflect.set(Promise, "withResolvers", () => {
    const made: { resolve?: unknown; reject?: unknown } = {};
    const promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
    return { promise, ...made };
  });
}

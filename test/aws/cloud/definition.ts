import validate from "asl-validator";
import * as v from "valibot";

const State = v.looseObject({ Type: v.string() });
const Machine = v.looseObject({ StartAt: v.string(), States: v.record(v.string(), State) });
type State = v.InferOutput<typeof State>;
/** A definition in Amazon's states language. */
export type Machine = v.InferOutput<typeof Machine>;

const Retriers = v.array(
  v.looseObject({ IntervalSeconds: v.optional(v.number(), 1), MaxDelaySeconds: v.optional(v.number()) }),
);
const Processor = v.looseObject({
  ...Machine.entries,
  ProcessorConfig: v.optional(v.looseObject({ Mode: v.string() }), { Mode: "INLINE" }),
});
/** Fields of a Distributed Map that the harness plays; it refuses others. */
const DistributedMap = v.strictObject({
  Type: v.literal("Map"),
  QueryLanguage: v.optional(v.literal("JSONPath")),
  Comment: v.optional(v.string()),
  Label: v.optional(v.string()),
  ItemProcessor: Processor,
  ItemReader: v.object({
    Resource: v.literal("arn:aws:states:::s3:getObject"),
    ReaderConfig: v.strictObject({ InputType: v.literal("JSON") }),
    Parameters: v.record(v.string(), v.unknown()),
  }),
  ResultWriter: v.object({
    Resource: v.literal("arn:aws:states:::s3:putObject"),
    Parameters: v.record(v.string(), v.unknown()),
    WriterConfig: v.optional(v.object({ Transformation: v.literal("NONE"), OutputType: v.literal("JSON") })),
  }),
  MaxConcurrency: v.optional(v.number()),
  MaxConcurrencyPath: v.optional(v.string()),
  ToleratedFailureCount: v.optional(v.number()),
  ToleratedFailureCountPath: v.optional(v.string()),
  ...Object.fromEntries(
    ["InputPath", "OutputPath", "ResultPath", "ResultSelector", "Retry", "Catch", "Next", "End"].map(
      (key) => [key, v.optional(v.unknown())],
    ),
  ),
});

/** What a Task state of the playable definition stands for. */
export type Work =
  | { readonly kind: "task"; readonly resource: string }
  | { readonly kind: "wait" }
  | { readonly kind: "fail" }
  | { readonly kind: "map"; readonly label: string; readonly children: Machine };

/** A definition that the interpreter plays, and the work of its Task states by their names. */
export interface Playable {
  readonly definition: Machine;
  readonly work: ReadonlyMap<string, Work>;
}

/** AWS waits 99999999 seconds for a task without a limit, and the interpreter 60; a timer of Node cannot wait longer. */
const WITHOUT_LIMIT = { TimeoutSeconds: 2_000_000 };

/** @throws Error with what the rules of the states language say against it, as CreateStateMachine does */
export function parseDefinition(text: string): Machine {
  // The validator writes into what it is given.
  const { isValid, errorsText } = validate(v.parse(Machine, JSON.parse(text)));
  if (!isValid) throw new Error(`InvalidDefinition: ${errorsText("\n")}`);
  return v.parse(Machine, JSON.parse(text));
}

/**
 * The definition as the interpreter can play it. Waits become tasks, because it shortens none whose seconds are in the
 * data; Distributed Maps do, because it does not know them. All other states stay what they are.
 * @param secondMs what a second of a Retry or of a limit takes here
 */
export function playable(machine: Machine, secondMs: number): Playable {
  const into = { secondMs, work: new Map<string, Work>() };
  return { definition: rewriteMachine(machine, into), work: into.work };
}

interface Rewriting {
  readonly work: Map<string, Work>;
  readonly secondMs: number;
}

function rewriteMachine<Given extends Machine>(machine: Given, into: Rewriting): Given {
  const states = Object.entries(machine.States).map(([name, state]) => {
    const Retry = "Retry" in state ? { Retry: shorten(v.parse(Retriers, state["Retry"]), into) } : {};
    return [name, rewriteState(name, { ...state, ...Retry }, into)];
  });
  return { ...machine, States: Object.fromEntries(states) };
}

function rewriteState(name: string, state: State, into: Rewriting): State {
  switch (state.Type) {
    case "Task": {
      const resource = v.parse(v.string(), state["Resource"]);
      into.work.set(name, { kind: "task", resource });
      return { ...WITHOUT_LIMIT, ...state, ...(isCallback(resource) ? shorterLimit(state, into) : {}) };
    }
    case "Wait":
      into.work.set(name, { kind: "wait" });
      return { ...asTask(state, take(state, "Seconds")), ResultPath: null };
    case "Map":
      return rewriteMap(name, state, into);
    case "Parallel": {
      const branches = v.parse(v.array(Machine), state["Branches"]);
      return { ...state, Branches: branches.map((branch) => rewriteMachine(branch, into)) };
    }
    case "Fail":
      return rewriteFail(name, state, into);
    default:
      return state;
  }
}

function rewriteMap(name: string, state: State, into: Rewriting): State {
  const processor = v.parse(Processor, state["ItemProcessor"]);
  if (processor.ProcessorConfig.Mode === "INLINE") {
    return { ...state, ItemProcessor: rewriteMachine(processor, into) };
  }
  const { Label = name, ItemReader, ResultWriter } = v.parse(DistributedMap, state);
  const { ProcessorConfig: _, ...children } = processor;
  into.work.set(name, { kind: "map", label: Label, children });
  return asTask(state, {
    ...take(state, "MaxConcurrency"),
    ...take(state, "ToleratedFailureCount"),
    Reader: ItemReader.Parameters,
    Writer: ResultWriter.Parameters,
  });
}

const JSON_TO_STRING = /^States\.JsonToString\((.+)\)$/;

/** Fail can compute its texts. The interpreter cannot, and takes the backslashes out of a text that it computes elsewhere. */
function rewriteFail(name: string, state: State, into: Rewriting): State {
  const texts = { ...take(state, "Error"), ...take(state, "Cause") };
  const [, json] = JSON_TO_STRING.exec(String(texts["Cause.$"])) ?? [];
  if (json === undefined) return state;
  into.work.set(name, { kind: "fail" });
  return asTask({ ...state, End: true }, { ...texts, "Cause.$": json });
}

/** The same state as a Task with these parameters, which the interpreter evaluates. */
function asTask(state: State, Parameters: Readonly<Record<string, unknown>>): State {
  const kept = ["InputPath", "OutputPath", "ResultPath", "ResultSelector", "Retry", "Catch", "Next", "End"];
  const fields = Object.entries(state).filter(([key]) => kept.includes(key));
  return {
    ...Object.fromEntries(fields),
    Type: "Task",
    Resource: "arn:aws:states:::harness",
    ...WITHOUT_LIMIT,
    Parameters,
  };
}

/** A task that waits for a person's answer: its limit is a part of the plot, not of the machine's speed. */
function isCallback(resource: string): boolean {
  return resource.endsWith(".waitForTaskToken");
}

function shorterLimit({ TimeoutSeconds: seconds }: State, { secondMs }: Rewriting): object {
  return typeof seconds === "number" ? { TimeoutSeconds: (seconds * secondMs) / 1_000 } : {};
}

/** `Field` or `FieldPath` of a state as an entry of a template. */
function take(state: State, field: string): Readonly<Record<string, unknown>> {
  const path = state[`${field}Path`];
  if (path !== undefined) return { [`${field}.$`]: path };
  return state[field] === undefined ? {} : { [field]: state[field] };
}

function shorten(retriers: v.InferOutput<typeof Retriers>, { secondMs }: Rewriting): unknown {
  const shorter = (seconds: number) => (seconds * secondMs) / 1_000;
  return retriers.map(({ IntervalSeconds, MaxDelaySeconds, ...rest }) => ({
    ...rest,
    IntervalSeconds: shorter(IntervalSeconds),
    ...(MaxDelaySeconds === undefined ? {} : { MaxDelaySeconds: shorter(MaxDelaySeconds) }),
  }));
}

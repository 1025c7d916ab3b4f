import { randomUUID } from "node:crypto";
import * as v from "valibot";
import { StateFailure } from "./interpreter.ts";
import type { Execution, Started } from "./step-functions.ts";

/** S3, as far as a Map Run reads and writes it. */
export interface Objects {
  get(bucket: string, key: string): string | undefined;
  put(bucket: string, key: string, text: string): void;
}

/** The execution of one item. */
export interface Child {
  readonly execution: Execution;
  readonly ended: Promise<void>;
  stop(): void;
}

export interface MapRunSettings {
  /** ARN of the state machine that the state belongs to. */
  readonly stateMachineArn: string;
  readonly label: string;
  readonly objects: Objects;
  start(child: Started): Child;
  /** Says that the execution of the state was stopped. */
  readonly stopped: AbortSignal;
}

/** The fields of the state, with what their paths and templates stand for. */
const Fields = v.object({
  MaxConcurrency: v.optional(v.number(), 0),
  ToleratedFailureCount: v.optional(v.number(), 0),
  Reader: v.object({ Bucket: v.string(), Key: v.string() }),
  Writer: v.object({ Bucket: v.string(), Prefix: v.string() }),
});
type Fields = v.InferOutput<typeof Fields>;

/** Where the state sets no limit. */
const MAX_CONCURRENCY = 10_000;

/**
 * A Distributed Map as AWS describes it. Each item is an execution of its own. Once more of them have failed than are
 * tolerated, the other items stay pending, what runs is stopped, and the results are written before the state fails:
 * https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
 * https://docs.aws.amazon.com/step-functions/latest/dg/maprun-fail-threshold.html
 * @throws StateFailure
 */
export async function runMap(input: unknown, settings: MapRunSettings): Promise<unknown> {
  const fields = v.parse(Fields, input);
  const items = readItems(settings.objects, fields.Reader);
  const children = await runChildren(items, fields, settings);
  if (settings.stopped.aborted) throw new StateFailure("States.Runtime", "the execution was stopped");
  const details = writeResults(items, children, fields.Writer, settings);
  if (failuresOf(children) > fields.ToleratedFailureCount) {
    const cause = "The specified tolerated failure threshold was exceeded";
    throw new StateFailure("States.ExceedToleratedFailureThreshold", cause);
  }
  return details;
}

function readItems(objects: Objects, { Bucket, Key }: Fields["Reader"]): readonly unknown[] {
  const text = objects.get(Bucket, Key);
  if (text === undefined)
    throw new StateFailure("States.ItemReaderFailed", `no object s3://${Bucket}/${Key}`);
  return v.parse(v.array(v.unknown()), JSON.parse(text));
}

/** @returns the children that were started, in the order of their items */
async function runChildren(
  items: readonly unknown[],
  { MaxConcurrency, ToleratedFailureCount }: Fields,
  { stateMachineArn, label, start, stopped }: MapRunSettings,
): Promise<readonly Child[]> {
  const children: Child[] = [];
  const machine = `${stateMachineArn}/${label}`;
  const isOver = () => stopped.aborted || failuresOf(children) > ToleratedFailureCount;
  const stopAll = () => {
    for (const child of children) child.stop();
  };
  const work = async () => {
    while (children.length < items.length && !isOver()) {
      const name = randomUUID();
      const executionArn = `${machine.replace(":stateMachine:", ":execution:")}:${name}`;
      const input = JSON.stringify(items[children.length]);
      const child = start({ executionArn, stateMachineArn: machine, name, input });
      children.push(child);
      await child.ended;
      if (isOver()) stopAll();
    }
  };
  stopped.addEventListener("abort", stopAll);
  const workers = Math.min(MaxConcurrency || MAX_CONCURRENCY, items.length);
  await Promise.all(Array.from({ length: workers }, work));
  stopped.removeEventListener("abort", stopAll);
  return children;
}

/** Failed or timed out; what was stopped is neither. */
function failuresOf(children: readonly Child[]): number {
  return children.filter(({ execution: { status } }) => status === "FAILED" || status === "TIMED_OUT").length;
}

/**
 * Writes a file for each kind of result, and the manifest that names them:
 * https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
 * @returns the output of the state
 */
function writeResults(
  items: readonly unknown[],
  children: readonly Child[],
  { Bucket, Prefix }: Fields["Writer"],
  { stateMachineArn, label, objects }: MapRunSettings,
): unknown {
  const id = randomUUID();
  const folder = `${Prefix}${Prefix === "" || Prefix.endsWith("/") ? "" : "/"}${id}`;
  const MapRunArn = `${stateMachineArn.replace(":stateMachine:", ":mapRun:")}/${label}:${id}`;
  const put = (name: string, content: unknown) => {
    const text = JSON.stringify(content);
    objects.put(Bucket, `${folder}/${name}`, text);
    return { Key: `${folder}/${name}`, Size: Buffer.byteLength(text) };
  };
  const hasSucceeded = ({ execution }: Child) => execution.status === "SUCCEEDED";
  const records = {
    FAILED: children.filter((child) => !hasSucceeded(child)).map(recordOf),
    PENDING: items.slice(children.length).map((item) => ({
      Input: JSON.stringify(item),
      InputDetails: { Included: true },
      Status: "PENDING",
    })),
    SUCCEEDED: children.filter(hasSucceeded).map(recordOf),
  };
  const ResultFiles = Object.fromEntries(
    Object.entries(records).map(([kind, all]) => [
      kind,
      all.length === 0 ? [] : [put(`${kind}_0.json`, all)],
    ]),
  );
  const { Key } = put("manifest.json", { DestinationBucket: Bucket, MapRunArn, ResultFiles });
  return { MapRunArn, ResultWriterDetails: { Bucket, Key } };
}

function recordOf({ execution }: Child): object {
  const { executionArn, stateMachineArn, name, status, input, output, error, cause } = execution;
  const date = (seconds: number) => new Date(seconds * 1_000).toISOString();
  return {
    ...(cause === undefined ? {} : { Cause: cause }),
    ...(error === undefined ? {} : { Error: error }),
    ExecutionArn: executionArn,
    Input: input,
    InputDetails: { Included: true },
    Name: name,
    ...(output === undefined ? {} : { Output: output }),
    OutputDetails: { Included: true },
    RedriveCount: 0,
    RedriveStatus: status === "SUCCEEDED" ? "NOT_REDRIVABLE" : "REDRIVABLE_BY_MAP_RUN",
    StartDate: date(execution.startDate),
    StateMachineArn: stateMachineArn,
    Status: status,
    StopDate: date(execution.stopDate ?? execution.startDate),
  };
}

import * as v from "valibot";
import { given, MigrationError } from "../../lib/core/index.ts";
import { resourceName } from "../runtime/custom-resource.ts";
import { problemsOf } from "../runtime/schema.ts";
import type { StackDirection } from "../stack-event/stack-status.ts";

/** What the properties of the custom resource say about a release. Older versions of the package may have said less. */
export interface ReleaseInfo {
  readonly hash: string;
  readonly head: string | undefined;
  readonly count: number | undefined;
  /** How many migrations its baselines replace. */
  readonly replaced: number;
  /** Options that differ from their defaults, as JSON. */
  readonly options: string | undefined;
  /** Names of the newest migrations. */
  readonly newest: readonly string[];
  /** Names of its newest contracts. */
  readonly contracts: readonly string[];
  /** Its version, if it has contracts. */
  readonly revision: string | undefined;
}

/** The place of an invocation in its deploy. Times in milliseconds since the epoch. */
export interface Slice {
  /** When the deploy began. */
  readonly since: number;
  /** When its time is up. */
  readonly until: number;
  /** Whether there may have been slices before. */
  readonly isLater: boolean;
}

interface ResourceInfo {
  /** `<stack>/<logical id>`: the actor in the history. */
  readonly resource: string;
  /** Absent only when the resource is created. */
  readonly physicalId: string | undefined;
  /** If migrations are pending, run none of them and say so: a snapshot is made first. */
  readonly awaitSnapshot?: true;
  /** Absent in an event that does not come from the stack-event function: it has one slice. */
  readonly slice?: Slice;
}

/** CloudFormation's request, as the provider framework hands it on. */
export type DeployEvent = ResourceInfo &
  (
    | { readonly type: "Create"; readonly current: ReleaseInfo }
    | {
        readonly type: "Update";
        readonly current: ReleaseInfo;
        readonly previous: ReleaseInfo | undefined;
        /** What CloudFormation said; "unknown" if it did not answer. */
        readonly direction: StackDirection;
      }
    | { readonly type: "Delete" }
  );

// Every scalar arrives as a string. A rollback must not fail on a property that is missing or odd: it counts as absent.
const text = v.fallback(v.optional(v.string()), undefined);
const count = v.fallback(v.optional(v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number))), undefined);
const Properties = v.object({
  MigrationsHash: v.string(),
  MigrationCount: count,
  ReplacedCount: count,
  Head: text,
  Options: text,
  Newest: v.fallback(v.array(v.string()), []),
  Contracts: v.fallback(v.optional(v.array(v.string()), []), []),
  Revision: text,
});

const common = {
  LogicalResourceId: v.fallback(v.string(), "migrations"),
  StackId: v.fallback(v.string(), "unknown stack"),
  PhysicalResourceId: v.optional(v.string()),
  AwaitSnapshot: v.fallback(v.optional(v.literal(true)), undefined),
  Since: v.fallback(v.optional(v.number()), undefined),
  Until: v.fallback(v.optional(v.number()), undefined),
  IsLater: v.fallback(v.optional(v.boolean(), false), false),
};

const Request = v.variant("RequestType", [
  v.object({ ...common, RequestType: v.literal("Create"), ResourceProperties: Properties }),
  v.object({
    ...common,
    RequestType: v.literal("Update"),
    ResourceProperties: Properties,
    OldResourceProperties: v.fallback(v.optional(Properties), undefined),
    StackDirection: v.fallback(v.picklist(["forward", "rollback", "unknown"]), "unknown"),
  }),
  v.object({ ...common, RequestType: v.literal("Delete") }),
]);

/** @throws MigrationError `USAGE` for what is no request of CloudFormation's */
export function parseDeployEvent(event: unknown): DeployEvent {
  const parsed = v.safeParse(Request, event);
  if (!parsed.success) {
    throw new MigrationError(
      "USAGE",
      `this is no request of CloudFormation's: ${problemsOf(parsed.issues)}`,
      {
        hint: "This function is for deploys; invoke the status or the operate function.",
      },
    );
  }
  const { output } = parsed;
  const resource: ResourceInfo = {
    resource: resourceName(output.StackId, output.LogicalResourceId),
    physicalId: output.PhysicalResourceId,
    ...given({ awaitSnapshot: output.AwaitSnapshot, slice: sliceOf(output) }),
  };
  if (output.RequestType === "Delete") return { ...resource, type: "Delete" };
  const current = releaseOf(output.ResourceProperties);
  if (output.RequestType === "Create") return { ...resource, type: "Create", current };
  const previous = output.OldResourceProperties && releaseOf(output.OldResourceProperties);
  return { ...resource, type: "Update", current, previous, direction: output.StackDirection };
}

type SliceFields = Partial<Record<"Since" | "Until", number | undefined>> & { readonly IsLater?: boolean };

function sliceOf({ Since: since, Until: until, IsLater: isLater = false }: SliceFields): Slice | undefined {
  return since === undefined || until === undefined ? undefined : { since, until, isLater };
}

function releaseOf(properties: v.InferOutput<typeof Properties>): ReleaseInfo {
  const { MigrationsHash: hash, Head: head, MigrationCount: count } = properties;
  const { ReplacedCount: replaced = 0, Options: options, Newest: newest } = properties;
  const { Contracts: contracts, Revision: revision } = properties;
  return { hash, head, count, replaced, options, newest, contracts, revision };
}

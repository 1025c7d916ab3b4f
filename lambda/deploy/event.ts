import * as v from "valibot";
import { MigrationError } from "../../lib/core/index.ts";
import { resourceName } from "../runtime/resource-name.ts";
import { problemsOf } from "../runtime/schema.ts";
import type { StackDirection } from "../stack-event/stack-status.ts";

/** What a version of the stack says of its migrations. Older versions of the package may have said less. */
export interface Announced {
  readonly hash: string;
  readonly head: string | undefined;
  readonly count: number | undefined;
  /** Options that differ from their defaults, as JSON. */
  readonly options: string | undefined;
  /** Names of the newest migrations. */
  readonly newest: readonly string[];
}

interface Named {
  /** Of the custom resource, for the history: who asked. */
  readonly resource: string;
  /** Absent only when the resource is being made. */
  readonly physicalId: string | undefined;
}

/** CloudFormation's request, as the provider framework hands it on. */
export type DeployEvent = Named &
  (
    | { readonly type: "Create"; readonly now: Announced }
    | {
        readonly type: "Update";
        readonly now: Announced;
        readonly before: Announced | undefined;
        /** From CloudFormation itself; "unknown" when it could not be asked. */
        readonly direction: StackDirection;
      }
    | { readonly type: "Delete" }
  );

// Every scalar arrives as a string; what is missing or odd is taken for "not said", for a rollback must not fail on it.
const text = v.fallback(v.optional(v.string()), undefined);
const Properties = v.object({
  MigrationsHash: v.string(),
  MigrationCount: v.fallback(
    v.optional(v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number))),
    undefined,
  ),
  Head: text,
  Options: text,
  Newest: v.fallback(v.array(v.string()), []),
});

const common = {
  LogicalResourceId: v.fallback(v.string(), "migrations"),
  StackId: v.fallback(v.string(), "unknown stack"),
  PhysicalResourceId: v.optional(v.string()),
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
  const named: Named = {
    resource: resourceName(output.StackId, output.LogicalResourceId),
    physicalId: output.PhysicalResourceId,
  };
  if (output.RequestType === "Delete") return { ...named, type: "Delete" };
  const now = announced(output.ResourceProperties);
  if (output.RequestType === "Create") return { ...named, type: "Create", now };
  const before = output.OldResourceProperties && announced(output.OldResourceProperties);
  return { ...named, type: "Update", now, before, direction: output.StackDirection };
}

function announced(properties: v.InferOutput<typeof Properties>): Announced {
  const { MigrationsHash: hash, Head: head, MigrationCount: count } = properties;
  return { hash, head, count, options: properties.Options, newest: properties.Newest };
}

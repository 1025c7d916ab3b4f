import * as v from "valibot";
import { MigrationError } from "../../lib/core/index.ts";
import { ROLE_ACCESS, ROLE_RESOURCE, type RoleAccess } from "../contract.ts";
import { resourceName } from "../runtime/custom-resource.ts";
import { problemsOf } from "../runtime/schema.ts";
import type { OwnRole } from "./logins.ts";

const Request = v.object({
  StackId: v.string(),
  LogicalResourceId: v.string(),
  PhysicalResourceId: v.optional(v.string()),
  ResourceProperties: v.object({
    Role: v.pipe(v.string(), v.regex(/^[a-z_][a-z0-9_]{0,62}$/)),
    Access: v.picklist(ROLE_ACCESS),
    Schemas: v.pipe(v.array(v.string()), v.nonEmpty()),
    Secret: v.optional(v.string()),
  }),
});

/** The application role that CloudFormation asks for. */
export interface RoleRequest extends OwnRole {
  readonly physicalId: string;
  readonly access: RoleAccess;
  readonly schemas: readonly string[];
  /** ARN of the secret with its password; undefined for a role that logs in with a token. */
  readonly secretArn: string | undefined;
}

export function isRoleEvent(event: unknown): boolean {
  return v.is(v.object({ ResourceType: v.literal(ROLE_RESOURCE) }), event);
}

/** @throws MigrationError `USAGE` for properties that the construct does not write */
export function parseRoleEvent(event: unknown): RoleRequest {
  const parsed = v.safeParse(Request, event);
  if (!parsed.success) {
    throw new MigrationError("USAGE", `this is no request for a role: ${problemsOf(parsed.issues)}`, {
      hint: "Deploy again with the same version of the package for the role and the migrations.",
    });
  }
  const { StackId, LogicalResourceId, PhysicalResourceId, ResourceProperties: properties } = parsed.output;
  const resource = resourceName(StackId, LogicalResourceId);
  return {
    resource,
    physicalId: PhysicalResourceId ?? `role:${resource}`,
    role: properties.Role,
    access: properties.Access,
    schemas: properties.Schemas,
    secretArn: properties.Secret,
  };
}

import type { Node } from "libpg-query";
import { partsOf, showName, textsIn } from "./objects.ts";
import { altered, existing, type StatementRule } from "./statement-rules.ts";

/** Statements that weaken access control, change the whole server, or hide what they drop. */
export const ACCESS_RULES: readonly StatementRule[] = [
  {
    name: "grant-to-public",
    severity: "warning",
    check: (node) =>
      grantsToPublic(node)
        ? {
            message: "every role of the database gets the right to write",
            help: "Name the roles that need it.",
          }
        : undefined,
  },
  {
    name: "disable-row-level-security",
    severity: "error",
    check(node, created) {
      const [table] = existing(created, altered(node, ["AT_DisableRowSecurity", "AT_NoForceRowSecurity"]));
      return (
        table && {
          message: `the policies of ${showName(table)} no longer hide any row`,
          help: "Change the policies instead, or say in a lint comment who may see the rows now.",
        }
      );
    },
  },
  {
    name: "security-definer-search-path",
    severity: "warning",
    check: (node) =>
      isUnsafeDefiner(node)
        ? {
            message: "a SECURITY DEFINER function resolves names by the search path of its caller",
            help: "Add SET search_path = pg_catalog, pg_temp (with the schemas it needs), and qualify its names.",
          }
        : undefined,
  },
  {
    name: "alter-system",
    severity: "error",
    check: (node) =>
      "AlterSystemStmt" in node
        ? {
            message: "ALTER SYSTEM changes every database of the server and is not undone by a rollback",
            help: "Set it where the server is configured, or for one database: ALTER DATABASE … SET.",
          }
        : undefined,
  },
  {
    name: "password-in-migration",
    severity: "error",
    check: (node) =>
      hasPassword(node)
        ? {
            message: "the password is in the repository, and in the log of the server",
            help: "Create the role without one, and set it where secrets are kept (on AWS: the construct PostgresRole).",
          }
        : undefined,
  },
  {
    name: "privileged-role",
    severity: "warning",
    check(node) {
      const right = privilegeOf(node);
      return right === undefined
        ? undefined
        : {
            message: `a role with ${right} is held back by no right and no policy`,
            help: "Grant the rights that it needs.",
          };
    },
  },
  {
    name: "drop-in-code",
    severity: "warning",
    check(node) {
      const drop = dropsInBlock(node);
      return drop === undefined
        ? undefined
        : {
            message: `this block of code runs ${drop}; what it removes is known only when it runs`,
            help: "Write the statement itself, so that it can be reviewed, or say in a lint comment why it is safe.",
          };
    },
  },
];

const WRITES = ["insert", "update", "delete", "truncate", "create", "trigger"];
/** PUBLIC has rights on these by default. */
const PUBLIC_BY_DEFAULT = [
  "OBJECT_FUNCTION",
  "OBJECT_PROCEDURE",
  "OBJECT_ROUTINE",
  "OBJECT_TYPE",
  "OBJECT_DOMAIN",
  "OBJECT_LANGUAGE",
];

function grantsToPublic(node: Node): boolean {
  if ("AlterDefaultPrivilegesStmt" in node) {
    const { action } = node.AlterDefaultPrivilegesStmt;
    return action !== undefined && grantsToPublic({ GrantStmt: action });
  }
  if (!("GrantStmt" in node)) return false;
  const { is_grant, objtype = "", privileges = [], grantees = [] } = node.GrantStmt;
  const toPublic = grantees.some(
    (grantee) => "RoleSpec" in grantee && grantee.RoleSpec.roletype === "ROLESPEC_PUBLIC",
  );
  if (!is_grant || !toPublic || PUBLIC_BY_DEFAULT.includes(objtype)) return false;
  if (privileges.length === 0) return true;
  return privileges.some((item) => "AccessPriv" in item && WRITES.includes(item.AccessPriv.priv_name ?? ""));
}

/** Options of a statement by name. */
function optionsOf(items: readonly Node[] | undefined) {
  return (items ?? []).flatMap((item) => ("DefElem" in item ? [item.DefElem] : []));
}

function isUnsafeDefiner(node: Node): boolean {
  if (!("CreateFunctionStmt" in node || "AlterFunctionStmt" in node)) return false;
  const options = optionsOf(
    "CreateFunctionStmt" in node ? node.CreateFunctionStmt.options : node.AlterFunctionStmt.actions,
  );
  const isDefiner = options.some(
    ({ defname, arg }) =>
      defname === "security" && arg !== undefined && "Boolean" in arg && arg.Boolean.boolval === true,
  );
  const setsPath = options.some(
    ({ defname, arg }) =>
      defname === "set" &&
      arg !== undefined &&
      "VariableSetStmt" in arg &&
      arg.VariableSetStmt.name === "search_path",
  );
  return isDefiner && !setsPath;
}

/** What `SCRAM-SHA-256$…` and `md5…` hold is no password. */
const VERIFIER = /^(?:SCRAM-SHA-256\$|md5[0-9a-f]{32}$)/;

function hasPassword(node: Node): boolean {
  const passwords = roleOptions(node).filter(({ defname }) => defname === "password");
  const mapped = "CreateUserMappingStmt" in node ? optionsOf(node.CreateUserMappingStmt.options) : [];
  const texts = [...passwords, ...mapped.filter(({ defname }) => defname === "password")].flatMap(({ arg }) =>
    textsIn(arg),
  );
  return texts.some((text) => !VERIFIER.test(text));
}

function roleOptions(node: Node) {
  if ("CreateRoleStmt" in node) return optionsOf(node.CreateRoleStmt.options);
  return "AlterRoleStmt" in node ? optionsOf(node.AlterRoleStmt.options) : [];
}

const PRIVILEGES = new Map([
  ["superuser", "SUPERUSER"],
  ["bypassrls", "BYPASSRLS"],
]);

function privilegeOf(node: Node): string | undefined {
  return roleOptions(node)
    .filter(({ arg }) => arg !== undefined && "Boolean" in arg && arg.Boolean.boolval === true)
    .map(({ defname }) => PRIVILEGES.get(defname ?? ""))
    .find((name) => name !== undefined);
}

const DROPS_IN_CODE = /\b(drop\s+(?:table|schema|materialized\s+view|type|owned|column)|truncate)\b/i;

function dropsInBlock(node: Node): string | undefined {
  if (!("DoStmt" in node)) return undefined;
  const bodies = (node.DoStmt.args ?? []).flatMap((item) =>
    "DefElem" in item && item.DefElem.defname === "as" ? partsOf(item.DefElem.arg) : [],
  );
  const code = bodies.join("\n").replace(/--[^\n]*/g, "");
  return DROPS_IN_CODE.exec(code)?.[1]?.replace(/\s+/g, " ").toUpperCase();
}

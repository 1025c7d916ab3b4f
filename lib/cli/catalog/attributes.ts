import pg from "pg";
import type { CommentRow, GrantRow, ObjectRow } from "./rows.ts";

/** Roles whose names would make the text another on another machine. */
export interface Roles {
  readonly currentUser: string;
}

/** Only an owner other than the reader is told: on every machine the owner is whoever migrates. */
export function ownerStatements({ kind, name, subject, owner }: ObjectRow, { currentUser }: Roles): string[] {
  // Schema public of a new database belongs to the database's owner, whoever that is.
  const usual = kind === "schema" && name === "public" ? "pg_database_owner" : currentUser;
  if (owner === null || owner === usual) return [];
  return [`ALTER ${subject} OWNER TO ${roleName(owner, currentUser)};`];
}

export function commentStatement({ subject, name }: ObjectRow, { column, text }: CommentRow): string {
  const on = column === null ? subject : `COLUMN ${name}.${column}`;
  return `COMMENT ON ${on} IS ${pg.escapeLiteral(text).trimStart()};`;
}

export function grantStatement(row: ObjectRow, grant: GrantRow, { currentUser }: Roles): string {
  const { change, column, grantable, privileges } = grant;
  const rights = privileges.map((right) => (column === null ? right : `${right} (${column})`)).join(", ");
  const grantee = grant.grantee === "PUBLIC" ? "PUBLIC" : roleName(grant.grantee, currentUser);
  const towards = change === "GRANT" ? "TO" : "FROM";
  return `${change} ${rights} ON ${grantSubject(row)} ${towards} ${grantee}${grantable ? " WITH GRANT OPTION" : ""};`;
}

/** GRANT knows fewer kinds than COMMENT. */
function grantSubject({ kind, name, subject }: ObjectRow): string {
  if (kind.endsWith("table") || kind.endsWith("view")) return `TABLE ${name}`;
  if (kind === "aggregate") return `FUNCTION ${name}`;
  if (kind === "server") return `FOREIGN ${subject}`;
  return subject;
}

function roleName(role: string, currentUser: string): string {
  return role === currentUser ? "CURRENT_USER" : quoted(role);
}

/** As `quote_ident` does for names that are no key words; those are quoted by nobody for roles' sake. */
function quoted(role: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(role) ? role : pg.escapeIdentifier(role);
}

/** Rows of `everything()`. */
export interface ObjectRow {
  readonly kind: string;
  readonly catalog: number;
  readonly oid: number;
  readonly name: string;
  readonly subject: string;
  readonly owner: string | null;
  readonly create: readonly string[] | null;
  readonly finish: readonly string[] | null;
  readonly columns: readonly TableColumn[] | null;
}

export interface TableColumn {
  /** False: it comes with a parent table. */
  readonly listed: boolean;
  /** Name and type. */
  readonly head: string;
  readonly default: string | null;
  readonly defaultOid: number | null;
  /** Begins a statement about the column. */
  readonly alter: string;
  /** Generation and nullability. */
  readonly tail: string;
  /** Statements about what CREATE TABLE cannot say. */
  readonly after: readonly string[];
}

export interface GrantRow {
  readonly catalog: number;
  readonly oid: number;
  readonly column: string | null;
  readonly grantee: string;
  readonly change: "GRANT" | "REVOKE";
  readonly grantable: boolean;
  readonly privileges: readonly string[];
}

export interface CommentRow {
  readonly catalog: number;
  readonly oid: number;
  readonly column: string | null;
  readonly text: string;
}

/** `catalog:oid`, as other catalogues refer to an object. Differs from database to database. */
export type Address = string;

export function addressOf(catalog: number, oid: number): Address {
  return `${catalog}:${oid}`;
}

/** One object as it was read, with what is needed to put it in order. */
export interface Entry {
  readonly kind: string;
  readonly name: string;
  readonly subject: string;
  readonly address: Address;
  /** Statements that make it. */
  readonly create: readonly string[];
  /** Defaults that can be taken out of `create`, for when one of them needs its own table. */
  readonly separable: Separable | undefined;
  /** Owner, comments, grants. */
  readonly attributes: readonly string[];
  /** Statements for when everything else exists. */
  readonly finish: readonly string[];
}

export interface Separable {
  readonly createWithoutDefaults: readonly string[];
  readonly defaults: readonly { readonly address: Address; readonly statement: string }[];
}

/** All text of an entry. */
export function statementsOf(entry: Entry): readonly string[] {
  return [...entry.create, ...entry.attributes, ...entry.finish];
}

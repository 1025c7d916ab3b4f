// Values of unknown type are read by their properties, never by their class: inside a test sandbox the errors of
// `node:fs` belong to another realm, and `instanceof Error` is false for them.

/** A property of a value of unknown type; undefined where there is none. */
export function property(value: unknown, key: string): unknown {
  const holder = (typeof value === "object" && value !== null) || typeof value === "function";
  return holder ? Reflect.get(value, key) : undefined;
}

/** The `code` of an error of Node (`ENOENT`) or Postgres (its SQLSTATE), if it has one. */
export function errorCode(error: unknown): string | undefined {
  const code = property(error, "code");
  return typeof code === "string" ? code : undefined;
}

/** The message of an error; anything else that was thrown, as text. */
export function errorMessage(error: unknown): string {
  const message = property(error, "message");
  return typeof message === "string" ? message : String(error);
}

export type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The fields that have a value, to be spread where an optional property must not be undefined. */
export function given<T extends object>(fields: T): Given<T>;
export function given(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

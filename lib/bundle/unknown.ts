/** A property of a value of which nothing is known; undefined where there is none. */
export function property(value: unknown, key: string): unknown {
  const holder = (typeof value === "object" && value !== null) || typeof value === "function";
  return holder ? Reflect.get(value, key) : undefined;
}

/** The `code` of a file system error ("ENOENT"), of whatever realm it comes. */
export function errorCode(error: unknown): string | undefined {
  const code = property(error, "code");
  return typeof code === "string" ? code : undefined;
}

/** What an error says; what was thrown, as text, where it is no error. */
export function errorMessage(error: unknown): string {
  const message = property(error, "message");
  return typeof message === "string" ? message : String(error);
}

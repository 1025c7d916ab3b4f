import { errorCode, MigrationError } from "../../core/index.ts";

/** Gives an error of pg the type that all commands report. */
export async function typed<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof MigrationError || !isError(cause)) throw cause;
    const sqlstate = errorCode(cause);
    const fromServer = /^[0-9A-Z]{5}$/.test(sqlstate ?? "") && !sqlstate?.startsWith("57P");
    throw new MigrationError(fromServer ? "SQL" : "CONNECTION", `${what}: ${cause.message}`, {
      ...(fromServer && sqlstate !== undefined ? { sqlstate } : {}),
      cause,
    });
  }
}

/** By its shape: pg's errors may come from another realm. */
function isError(value: unknown): value is { readonly message: string } {
  return (
    typeof value === "object" && value !== null && "message" in value && typeof value.message === "string"
  );
}

import { MigrationError } from "./errors.ts";
import { DEFAULTS, type MigratorOptions, OPTIONS, type ResolvedOptions } from "./options.ts";
import { given, property } from "./unknown.ts";

export function resolveOptions(options: MigratorOptions): ResolvedOptions {
  const [first = DEFAULTS.schema, ...rest] = options.schema ?? [];
  const resolved: ResolvedOptions = {
    ...DEFAULTS,
    ...given(options),
    migrationsSchema: options.migrationsSchema ?? first,
    schema: [first, ...rest],
  };
  for (const [name, { kind }] of Object.entries(OPTIONS)) {
    const value = property(resolved, name);
    if ((kind === "milliseconds" || kind === "count") && value !== undefined) requireNumber(name, value);
  }
  for (const name of [...resolved.schema, resolved.migrationsSchema, resolved.migrationsTable]) {
    requireIdentifier(name);
  }
  return resolved;
}

function requireNumber(name: string, value: unknown): void {
  if (typeof value === "number" && value >= 0 && value <= LONGEST_MS) return;
  throw new MigrationError("USAGE", `${name} must be from 0 to ${LONGEST_MS}, not ${String(value)}`);
}

/** Postgres has no NUL in a text. @throws MigrationError `USAGE` */
export function requireStorable(what: string, text: string | undefined): void {
  if (!text?.includes("\0")) return;
  throw new MigrationError("USAGE", `${what} holds a NUL character: ${JSON.stringify(text)}`, {
    hint: "Leave it out: Postgres cannot store it.",
  });
}

/** The server keeps limits of time as 32-bit numbers of milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** Bytes. Postgres cuts longer names silently; the history table's name is the longest derived from a setting. */
export const LONGEST_NAME = 63 - "_history".length;

function requireIdentifier(name: string): void {
  if (name !== "" && Buffer.byteLength(name) <= LONGEST_NAME && !name.includes("\0")) return;
  throw new MigrationError("USAGE", `schema or table name "${name}" must have 1 to ${LONGEST_NAME} bytes`);
}

// Every asset gets this file beside its migrations, so it imports nothing. `exportsFile` finds it by a computed path, which
// is why it stays a file of its own.

/** The name under which a module that mixes both module systems exports its `module`. */
export const MIXED = "__migration_module";

const MIGRATION_EXPORTS = ["up", "down", "shorthands", "backfill"];

/**
 * A module's exports as one plain object: exported by name, as properties of the default export, or through
 * `module.exports`.
 */
export function plainExports(namespace: unknown): Readonly<Record<string, unknown>> {
  if (isHolder(namespace) && !(MIXED in namespace) && !("default" in namespace)) return { ...namespace };
  const commonJs = property(property(namespace, MIXED), "exports");
  const assigned = ownEntries(commonJs);
  // `module.exports = …` replaces what the file exported besides, as it would in Node.
  const named = ownEntries(namespace).filter(([key]) => key !== MIXED && key !== "default");
  const exported = new Map(assigned.length > 0 ? assigned : named);
  const whole = property(assigned.length > 0 ? commonJs : namespace, "default");
  for (const key of MIGRATION_EXPORTS) {
    if (exported.has(key) || !has(whole, key)) continue;
    exported.set(key, property(whole, key));
  }
  const holders = [whole, commonJs];
  return Object.fromEntries([...exported].map(([key, value]) => [key, bound(key, value, holders)]));
}

/** `up` may be a method that uses `this`, as under node-pg-migrate. */
function bound(key: string, value: unknown, holders: readonly unknown[]): unknown {
  const holder = holders.find((object) => has(object, key) && property(object, key) === value);
  return typeof value === "function" && holder !== undefined ? value.bind(holder) : value;
}

function ownEntries(value: unknown): [string, unknown][] {
  return isHolder(value) ? Object.entries(value) : [];
}

/** Also true for what a class instance inherits. */
function has(value: unknown, key: string): boolean {
  return isHolder(value) && Reflect.has(value, key);
}

function isHolder(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function property(value: unknown, key: string): unknown {
  return isHolder(value) ? Reflect.get(value, key) : undefined;
}

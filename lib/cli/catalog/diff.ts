import { structuredPatch } from "diff";
import type { Catalog, CatalogObject } from "./types.ts";

/** Lines shown of an object that is new or gone; its name tells most. */
const LINES_SHOWN = 8;
const CONTEXT = 1;

/**
 * What became of a database, for people: `+` an object that is new, `-` one that is gone, `~` one that changed, each
 * with its lines below. Empty when nothing did.
 */
export function diffCatalogs(before: Catalog, after: Catalog): string {
  const [old, now] = [index(before), index(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  return names.flatMap((name) => describeChange(name, old.get(name), now.get(name))).join("\n");
}

/** Without the order in which tables have their columns: one that is added again can only be the last. */
export function withoutColumnOrder({ objects }: Catalog): Catalog {
  return {
    objects: objects.map((object) => {
      const [first = "", ...rest] = object.definition;
      if (object.kind !== "table") return object;
      // Columns are indented, so they stay before the statements about them.
      const lines = rest.map((line) => (line.startsWith("  ") ? line.replace(/,$/, "") : line));
      return { ...object, definition: [first, ...lines.sort()] };
    }),
  };
}

function index(catalog: Catalog): Map<string, CatalogObject> {
  return new Map(catalog.objects.map((object) => [`${object.kind} ${object.name}`, object]));
}

function describeChange(
  name: string,
  old: CatalogObject | undefined,
  now: CatalogObject | undefined,
): string[] {
  if (old === undefined) return now === undefined ? [] : [`+ ${name}`, ...excerpt(now)];
  if (now === undefined) return [`- ${name}`, ...excerpt(old)];
  const text = (object: CatalogObject): string => `${object.definition.join("\n")}\n`;
  if (text(old) === text(now)) return [];
  const patch = structuredPatch("", "", text(old), text(now), undefined, undefined, { context: CONTEXT });
  return [
    `~ ${name}:`,
    ...patch.hunks.flatMap(({ lines }) => lines.map((line) => `    ${line.slice(0, 1)} ${line.slice(1)}`)),
  ];
}

function excerpt({ definition }: CatalogObject): string[] {
  const lines = definition.slice(0, LINES_SHOWN).map((line) => `    ${line}`);
  const more = definition.length - LINES_SHOWN;
  return more > 0 ? [...lines, `    … ${more} more line${more === 1 ? "" : "s"}`] : lines;
}

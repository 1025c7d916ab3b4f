import { MigrationError } from "../../core/index.ts";

/** A table as it was given: `orders`, `shop.orders`, `shop."Order Lines"`. */
export interface TableName {
  /** As SQL names it. */
  readonly sql: string;
  /** Its schema with a dot, as SQL names it; empty without one. */
  readonly schema: string;
  /** Without quotes. */
  readonly name: string;
}

/** A plain identifier, in the case that the server stores, or any in quotes. */
const IDENTIFIER = /^(?:([a-z_][a-z0-9_$]*)|"((?:[^"]|"")+)")$/i;

/** The longest name that the server keeps whole, in bytes. */
const LONGEST = 63;

/** @throws MigrationError `USAGE` */
export function parseTable(flag: string, text: string): TableName {
  const parts = text.match(/"(?:[^"]|"")*"|[^."]+/g) ?? [];
  const [name, schema, ...more] = [...parts].reverse();
  if (name === undefined || more.length > 0 || parts.join(".") !== text)
    throw notAName(flag, text, "a table");
  const plain = parseName(flag, name);
  const prefix = schema === undefined ? "" : `${quoteName(parseName(flag, schema))}.`;
  return { sql: prefix + quoteName(plain), schema: prefix, name: plain };
}

/** The name without its quotes. @throws MigrationError `USAGE` */
export function parseName(flag: string, text: string): string {
  const [, plain, quoted] = IDENTIFIER.exec(text.trim()) ?? [];
  const name = plain?.toLowerCase() ?? quoted?.replaceAll('""', '"');
  if (name !== undefined && Buffer.byteLength(name) <= LONGEST) return name;
  throw notAName(flag, text, "a name");
}

/** @throws MigrationError `USAGE` for a new name that is the old one */
export function requireAnother(
  flag: string,
  now: string,
  { of: before, flag: other }: { of: string; flag: string },
): void {
  if (now !== before) return;
  throw new MigrationError("USAGE", `${flag} and ${other} are the same name: ${now}`, {
    hint: `Give the new name with ${flag}.`,
  });
}

function notAName(flag: string, text: string, what: string): MigrationError {
  return new MigrationError(
    "USAGE",
    `${flag} must be ${what} as SQL writes it, not ${JSON.stringify(text)}`,
    {
      hint: 'Write it as in SQL: orders, shop.orders, or with quotes where it needs them: "Order Lines".',
    },
  );
}

/** A name as SQL needs it: in quotes only where it has to be. */
export function quoteName(name: string): string {
  const isPlain = /^[a-z_][a-z0-9_$]*$/.test(name) && !RESERVED.has(name);
  return isPlain ? name : `"${name.replaceAll('"', '""')}"`;
}

/** A name for something that belongs to a table, such as `orders_note_sync`, cut to what the server keeps. */
export function derivedName(...parts: readonly string[]): string {
  const name = parts.join("_");
  if (Buffer.byteLength(name) <= LONGEST) return quoteName(name);
  const end = `_${parts.at(-1)}`;
  const room = Buffer.from(name).subarray(0, LONGEST - Buffer.byteLength(end));
  return quoteName(new TextDecoder().decode(room).replace(/\ufffd+$/, "") + end);
}

/** The words of Postgres that cannot be the name of a column or a table without quotes. */
const RESERVED = new Set(
  `all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char
  character check coalesce collate collation column concurrently constraint create cross current_catalog current_date
  current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do
  else end except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike
  in initially inner inout int integer intersect interval into is isnull join lateral leading least left like limit
  localtime localtimestamp natural nchar none not notnull null nullif numeric offset on only or order out outer overlaps
  overlay placing position precision primary real references returning right row select session_user setof similar smallint
  some substring symmetric system_user table tablesample then time timestamp to trailing treat trim true union unique user
  using values varchar variadic verbose when where window with xmlattributes`.split(/\s+/),
);

/**
 * The order migrations run in: by numeric prefix, then by name, as node-pg-migrate sorts its files. A prefix of
 * 17 digits is a UTC date (`YYYYMMDDhhmmssSSS`); any other is the number it shows.
 */
export function compareMigrations(a: string, b: string): number {
  if (a === b) return 0;
  const difference = prefixOf(a) - prefixOf(b);
  if (difference !== 0) return difference;
  return collator().compare(a, b) || (a < b ? -1 : 1);
}

/** Items in running order, each by its file name. */
export function inRunningOrder<T>(items: readonly T[], fileNameOf: (item: T) => string): T[] {
  return items
    .map((item) => ({ item, name: fileNameOf(item), prefix: prefixOf(fileNameOf(item)) }))
    .sort((a, b) => a.prefix - b.prefix || compareMigrations(a.name, b.name))
    .map(({ item }) => item);
}

/**
 * node-pg-migrate compares names in the locale of the machine, so that a laptop and a Lambda could disagree;
 * here the locale is fixed.
 */
const collator = whenNeeded(
  () =>
    new Intl.Collator("en", {
      usage: "sort",
      numeric: true,
      sensitivity: "variant",
      ignorePunctuation: true,
    }),
);

/** Creating a collator takes six milliseconds, and most names differ by their prefix. */
function whenNeeded<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/**
 * The number a file name begins with, as node-pg-migrate orders by it: 17 digits are a UTC date
 * (YYYYMMDDHHMMSSmmm), anything else is the number itself. NaN for a name without one, and for an impossible date.
 */
export function numericPrefix(fileName: string): number {
  const digits = leadingDigits(fileName);
  if (digits.length !== 17) return digits === "" ? Number.NaN : Number(digits);
  const date = digits.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/, "$1-$2-$3T$4:$5:$6.$7Z");
  return Date.parse(date);
}

/** Names that no folder may have, but adopted databases do: without a prefix they come first. */
function prefixOf(name: string): number {
  const prefix = numericPrefix(name);
  return Number.isNaN(prefix) ? Number(leadingDigits(name) || -1) : prefix;
}

function leadingDigits(name: string): string {
  return /^\d+/.exec(name)?.[0] ?? "";
}

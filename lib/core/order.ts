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

/** The prefix as a number; a name without one (possible in adopted databases) comes first. */
function prefixOf(name: string): number {
  const digits = /^\d+/.exec(name)?.[0] ?? "";
  if (digits.length !== 17) return digits === "" ? -1 : Number(digits);
  const [date, time] = [digits.slice(0, 8), digits.slice(8)];
  const iso =
    `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}` +
    `T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4, 6)}.${time.slice(6)}Z`;
  const value = Date.parse(iso);
  return Number.isNaN(value) ? Number(digits) : value;
}

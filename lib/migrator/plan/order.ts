/**
 * The order migrations run in: by numeric prefix, then by name, as node-pg-migrate sorts its files. A prefix of
 * 17 digits is a UTC date (`YYYYMMDDhhmmssSSS`); any other is the number it shows.
 */
export function compareMigrations(a: string, b: string): number {
  const difference = prefixOf(a) - prefixOf(b);
  if (difference !== 0) return difference;
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/**
 * node-pg-migrate compares names in the locale of the machine, so that a laptop and a Lambda could disagree;
 * here the locale is fixed.
 */
const collator = new Intl.Collator("en", {
  usage: "sort",
  numeric: true,
  sensitivity: "variant",
  ignorePunctuation: true,
});

/** The prefix as a number; a name without one (possible in adopted databases) comes first. */
export function prefixOf(name: string): number {
  const digits = /^\d+/.exec(name)?.[0] ?? "";
  if (digits.length !== 17) return digits === "" ? -1 : Number(digits);
  const [date, time] = [digits.slice(0, 8), digits.slice(8)];
  const iso =
    `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}` +
    `T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4, 6)}.${time.slice(6)}Z`;
  const value = Date.parse(iso);
  return Number.isNaN(value) ? Number(digits) : value;
}

import * as v from "valibot";
import {
  type FileProblem,
  Hint,
  LONGEST_NAME,
  MigrationError,
  type MigratorOptions,
  problemLines,
} from "../core/index.ts";

/** One schema or database of a fleet, with everything filled in that has a default. */
export interface FleetTarget extends FleetDatabase {
  /** What outcomes and choices call it; unique in its fleet. */
  readonly name: string;
  /** Takes the place of the first schema of the options; absent: the schemas of the options. */
  readonly schema?: string;
  /** ARN or name of a secret with `username` and `password`. Only the functions read it. */
  readonly secret?: string;
  /** User of IAM database authentication. Only the functions use it. */
  readonly user?: string;
}

/** The fleet's own database: what a target has that names no other. */
export interface FleetDatabase {
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

/** A target as it is written down: everything may be left out but one of schema, database and host. */
export type TargetEntry = Partial<FleetTarget>;

export interface TargetsOrigin {
  /** What messages call the list, such as the name of its file. */
  readonly source: string;
  readonly database: FleetDatabase;
  /** Accept a list without targets. @default false */
  readonly allowEmpty?: boolean;
}

const NAME_LIMIT = 200;

function word(what: string, longest: number) {
  return v.pipe(
    v.string(`${what} must be text`),
    v.check((text) => text.trim() !== "", `${what} must not be empty`),
    v.check((text) => !/\p{Cc}/u.test(text), `${what} must not hold control characters`),
    v.check((text) => Buffer.byteLength(text) <= longest, `${what} must have at most ${longest} bytes`),
  );
}

const PORT = "port must be a whole number from 1 to 65535";

const FIELDS = {
  name: word("name", NAME_LIMIT),
  host: v.pipe(
    word("host", 255),
    v.regex(
      /^(\/.*|[^@/?#\s]+)$/,
      "host must be a host name alone: port and database have fields of their own",
    ),
  ),
  port: v.pipe(v.number(PORT), v.integer(PORT), v.minValue(1, PORT), v.maxValue(65_535, PORT)),
  database: word("database", 63),
  schema: word("schema", LONGEST_NAME),
  secret: word("secret", 2_048),
  user: word("user", 63),
};

const { name, host, port, database, ...others } = FIELDS;
const { schema, secret, user } = others;
const OPTIONAL = {
  schema: v.exactOptional(schema),
  secret: v.exactOptional(secret),
  user: v.exactOptional(user),
};

/** A target as `parseTargets` returns it, for who gets it in a payload or a file. */
export const FLEET_TARGET = v.strictObject({ name, host, port, database, ...OPTIONAL });

const ENTRY = v.pipe(
  v.strictObject(
    {
      name: v.exactOptional(name),
      host: v.exactOptional(host),
      port: v.exactOptional(port),
      database: v.exactOptional(database),
      ...OPTIONAL,
    },
    ({ expected, received }) =>
      expected === "never"
        ? `${received} is no field of a target; its fields are ${Object.keys(FIELDS).join(", ")}`
        : "a target must be an object, or the name of a schema",
  ),
  v.check(
    (entry) => (entry.schema ?? entry.database ?? entry.host) !== undefined,
    "a target must have a schema, a database or a host",
  ),
);

/**
 * Reads the text of a file with targets.
 * @throws MigrationError `TARGETS` for what is no JSON, and as `parseTargets`
 */
export function parseTargetsFile(text: string, origin: TargetsOrigin): readonly FleetTarget[] {
  let content: unknown;
  try {
    content = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    // The parser's message quotes the text, which is shown nowhere: it could be any file.
    throw refused(`${origin.source} is not JSON`);
  }
  return parseTargets(content, origin);
}

/**
 * Checks a list of targets, names each of them and fills in what comes from the fleet's own database.
 * @param input an array of entries; text stands for an entry with that schema
 * @throws MigrationError `TARGETS`, which names each entry that cannot be used
 */
export function parseTargets(input: unknown, origin: TargetsOrigin): readonly FleetTarget[] {
  return readEntries(input, "entry", origin);
}

/**
 * The same for the rows of a query: its columns have the names of the fields, and NULL stands for a field that is left out.
 * @throws MigrationError `TARGETS`
 */
export function parseTargetRows(rows: readonly unknown[], origin: TargetsOrigin): readonly FleetTarget[] {
  return readEntries(rows.map(withoutNulls), "row", origin);
}

/** Drivers answer bigint and numeric as text. */
function withoutNulls(row: unknown): unknown {
  if (typeof row !== "object" || row === null) return row;
  const values = Object.entries(row).filter(([, value]) => value !== null);
  return Object.fromEntries(
    values.map(([key, value]) => [
      key,
      key === "port" && typeof value === "string" && /^\d{1,5}$/.test(value) ? Number(value) : value,
    ]),
  );
}

type Noun = "entry" | "row";

function readEntries(input: unknown, noun: Noun, origin: TargetsOrigin): readonly FleetTarget[] {
  const { source, database, allowEmpty = false } = origin;
  if (!Array.isArray(input)) throw refused(`${source} must be an array of targets`);
  if (input.length === 0 && !allowEmpty) throw refused(`${source} has no targets`);
  const parsed = input.map((entry: unknown) =>
    v.safeParse(ENTRY, typeof entry === "string" ? { schema: entry } : entry),
  );
  const problems = parsed.flatMap(({ issues = [] }, index) =>
    issues.map((issue) => ({ file: source, message: `${noun} ${index + 1}: ${describe(issue)}` })),
  );
  if (problems.length > 0) throw unusable(problems, origin);
  const entries = parsed.flatMap(({ output, success }) => (success ? [output] : []));
  const targets = nameEntries(entries.map((entry) => ({ ...database, ...entry })));
  const doubles = [...repeatedPlaces(targets, noun), ...repeatedNames(targets, noun)];
  if (doubles.length > 0)
    throw unusable(
      doubles.map((message) => ({ file: source, message })),
      origin,
    );
  return targets;
}

/** What is wrong, with the value. Text with an @ is not shown: a URL in a wrong field holds a password. */
function describe(issue: v.BaseIssue<unknown>): string {
  const field = issue.path?.[0]?.key;
  const { input } = issue;
  const isShown =
    field !== "secret" && (typeof input === "number" || (typeof input === "string" && !input.includes("@")));
  const value = isShown && issue.expected !== "never" ? `, not ${JSON.stringify(input).slice(0, 80)}` : "";
  return `${issue.message}${value}`;
}

/** The same schema of the same database twice would be migrated by two runs that wait for each other. */
function repeatedPlaces(targets: readonly FleetTarget[], noun: Noun): string[] {
  const place = (target: FleetTarget) =>
    JSON.stringify([target.host, target.port, target.database, target.schema]);
  return repeated(targets, place).map(
    ([first, second]) => `${noun} ${second} is the same schema or database as ${noun} ${first}`,
  );
}

function repeatedNames(targets: readonly FleetTarget[], noun: Noun): string[] {
  return repeated(targets, (target) => target.name).map(
    ([first, second, target]) => `${noun} ${second} has the name of ${noun} ${first}, "${target.name}"`,
  );
}

function repeated(
  targets: readonly FleetTarget[],
  keyOf: (target: FleetTarget) => string,
): (readonly [first: number, second: number, target: FleetTarget])[] {
  const seen = new Map<string, number>();
  return targets.flatMap((target, index) => {
    const first = seen.get(keyOf(target));
    if (first !== undefined) return [[first, index + 1, target] as const];
    seen.set(keyOf(target), index + 1);
    return [];
  });
}

type Unnamed = Omit<FleetTarget, "name"> & { readonly name?: string };

/** Gives each target that has no name that of its schema or database, with its database or server in front where several share it. */
function nameEntries(entries: readonly Unnamed[]): readonly FleetTarget[] {
  const sharing = groupBy(entries, bareName);
  return entries.map((entry) => {
    const { name, ...rest } = entry;
    return { name: name ?? qualifiedName(entry, sharing.get(bareName(entry)) ?? []), ...rest };
  });
}

function bareName({ schema, database }: Unnamed): string {
  return schema ?? database;
}

function qualifiedName(entry: Unnamed, sharing: readonly Unnamed[]): string {
  const differ = (partOf: (one: Unnamed) => string | number) => new Set(sharing.map(partOf)).size > 1;
  const onHost = sharing.filter(({ host }) => host === entry.host);
  const portsDiffer = new Set(onHost.map(({ port }) => port)).size > 1;
  const server = portsDiffer ? `${serverOf(entry)}/` : differ(({ host }) => host) ? `${entry.host}/` : "";
  const database = entry.schema !== undefined && differ((one) => one.database) ? `${entry.database}.` : "";
  return `${server}${database}${bareName(entry)}`;
}

/** What limits per server count by. */
export function serverOf({ host, port }: Pick<FleetTarget, "host" | "port">): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

export function groupBy<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/**
 * The options of the engine for one target.
 * @throws MigrationError `TARGETS` when all schemas would share one table of applied migrations
 */
export function targetOptions(options: MigratorOptions, { name, schema }: FleetTarget): MigratorOptions {
  if (schema === undefined) return options;
  if (options.migrationsSchema !== undefined) {
    throw new MigrationError(
      "TARGETS",
      `${name} is a schema, and with the table of applied migrations in the schema ${options.migrationsSchema} all of them would share one record`,
      { hint: Hint.of`Leave ${Hint.option("migrationsSchema")} out: each schema has a table of its own.` },
    );
  }
  return { ...options, schema: [schema, ...(options.schema ?? []).slice(1)] };
}

function unusable(problems: readonly FileProblem[], { source }: TargetsOrigin): MigrationError {
  const [first, ...more] = problems;
  if (first === undefined || more.length === 0) return refused(`${source}: ${first?.message}`, problems);
  const lines = problemLines(problems).join("\n");
  return refused(`${source} cannot be used:\n${lines}`, problems);
}

function refused(message: string, problems: readonly FileProblem[] = []): MigrationError {
  return new MigrationError("TARGETS", message, {
    hint: FORM,
    ...(problems.length === 0 ? {} : { problems }),
  });
}

const FORM = `A target is the name of a schema, or an object with ${Object.keys(FIELDS).join(", ")}, as far as they differ from the fleet's own database.`;

import { InvalidArgumentError } from "commander";
import * as v from "valibot";
import type { ProcessIo } from "./process-io.ts";

/** How a flag or an argument is written on the command line, and what --help says about it. */
interface Syntax {
  /** As commander takes it: `-m, --migrations-dir <folder>`, or `[count]` for an argument. */
  readonly written: string;
  readonly meaning: string;
  readonly choices?: readonly string[];
  readonly defaultValue?: string;
  /** It may be given several times, with one value each time. */
  readonly isRepeated?: true;
  /** Flags that exclude it. */
  readonly conflicts?: readonly string[];
}

/** A flag or an argument: a schema for its value that also knows how it is written. */
export type Parameter = v.GenericSchema & Syntax;

/** By name: that of a flag in camel case. */
export type Parameters = Readonly<Record<string, Parameter>>;

/** The values of parameters, once they are parsed. */
export type Values<P extends Parameters> = v.InferOutput<v.ObjectSchema<P, undefined>>;

/** One command: its name, its flags and arguments, what --help says, and what it does. */
export interface CliCommand {
  readonly name: string;
  readonly summary: string;
  /** What a payload for the functions may say too: the fields of the command in `COMMANDS`. */
  readonly input: Parameters;
  /** What only the command line knows. */
  readonly flags: Parameters;
  /** Unknown flags, and all that follows the first argument, are for another program. */
  readonly passesThrough?: true;
  /** Resolves to the exit code. */
  run(io: ProcessIo, values: unknown): Promise<number>;
}

interface Definition<I extends Parameters, F extends Parameters> extends Omit<CliCommand, "run"> {
  readonly input: I;
  readonly flags: F;
  readonly run: (io: ProcessIo, flags: Values<F>, input: Values<I>) => Promise<number>;
}

/** Makes a command whose handler gets typed values. */
export function defineCommand<I extends Parameters, F extends Parameters>(
  definition: Definition<I, F>,
): CliCommand {
  const input = v.object(definition.input);
  const flags = v.object(definition.flags);
  return {
    ...definition,
    run: async (io, values) => definition.run(io, v.parse(flags, values), v.parse(input, values)),
  };
}

/** Checks one value when commander meets it. @throws InvalidArgumentError, which commander shows with its flag */
export function checkText(parameter: Parameter, text: string, before: unknown): unknown {
  const value = parameter.isRepeated ? [...(Array.isArray(before) ? before : []), text] : text;
  const result = v.safeParse(parameter, value);
  if (result.success) return value;
  throw new InvalidArgumentError(result.issues[0].message);
}

export function toggle(written: string, meaning: string) {
  return { ...v.exactOptional(v.boolean()), written, meaning };
}

export function text(written: string, meaning: string) {
  return { ...v.exactOptional(v.string()), written, meaning };
}

export function choice<const C extends readonly string[]>(written: string, meaning: string, choices: C) {
  return { ...v.exactOptional(v.picklist(choices)), written, meaning, choices };
}

export function repeated(written: string, meaning: string) {
  return { ...v.exactOptional(v.array(v.string())), written, meaning, isRepeated: true } as const;
}

/** A value that is read from text, such as a number. The messages of the schema say what it must be. */
export function parsed<S extends v.GenericSchema<string, unknown>>(
  written: string,
  meaning: string,
  schema: S,
) {
  return { ...v.exactOptional(schema), written, meaning };
}

function numberFrom(smallest: 0 | 1, digits: RegExp, message: string) {
  return v.pipe(
    v.string(),
    v.regex(digits, message),
    v.transform(Number),
    v.safeInteger(message),
    v.minValue(smallest, message),
  );
}

/** A number of migrations. With zeros in front, it is how the name of one begins. */
export const count = numberFrom(1, /^[1-9]\d*$/, "It must be a whole number from 1 up; --to takes a name.");
export const positive = numberFrom(1, /^\d+$/, "It must be a whole number from 1 up.");
export const wholeNumber = numberFrom(0, /^\d+$/, "It must be a whole number, 0 or more.");

/** The server keeps milliseconds in 32 bits, which is some 24 days. */
const LONGEST_SECONDS = 2_147_483;
const SECONDS = `It must be a number of seconds from 0 to ${LONGEST_SECONDS}.`;

/** Seconds as text. `2s` and `500ms` are understood too. */
export const plainSeconds = v.pipe(
  v.string(),
  v.regex(/\S/, SECONDS),
  v.transform(readSeconds),
  v.number(SECONDS),
  v.minValue(0, SECONDS),
  v.maxValue(LONGEST_SECONDS, SECONDS),
);

/** Seconds as text, as milliseconds. */
export const seconds = v.pipe(
  plainSeconds,
  v.transform((value) => value * 1000),
);

function readSeconds(text: string): number {
  const [, number = "", unit] = /^([\d.]+)(ms|s)$/.exec(text.trim()) ?? [];
  if (unit === undefined) return Number(text);
  return Number(number) / (unit === "ms" ? 1_000 : 1);
}

import * as v from "valibot";
import { OPTIONS } from "../core/index.ts";

/** One field of a command's input. The CLI writes it as a flag or an argument, a payload under its name. */
export type Field = v.GenericSchema & { readonly meaning: string; readonly choices?: readonly string[] };

export function optional<Schema extends v.GenericSchema>(schema: Schema, meaning: string) {
  return { ...v.exactOptional(schema), meaning };
}

export function choice<const Choices extends readonly string[]>(choices: Choices, meaning: string) {
  return { ...v.exactOptional(v.picklist(choices)), meaning, choices };
}

const WHOLE = "must be a whole number from 1 up";
export const name = v.pipe(v.string(), v.nonEmpty("must not be empty"));
export const positive = v.pipe(v.number(), v.integer(WHOLE), v.minValue(1, WHOLE));

export const fake = (meaning: string) => optional(v.boolean(), meaning);
export const note = optional(v.string(), "why, for the history");
export const upExtent = {
  count: optional(positive, "how many (default: all)"),
  to: optional(name, "as far as and including this migration"),
};
export const contract = optional(name, "this contract too, although it waits for a release");
export const preflight = choice(
  OPTIONS.preflight.choices,
  "what stands in the way of the run is mentioned, refuses it or is not looked for (default: as the construct says)",
);
export const batch = optional(v.boolean(), "everything that the last run applied");
export const from = choice(
  ["file", "history"],
  "which SQL undoes where a file and the history disagree (default: refuse)",
);
export const downCount = optional(positive, "how many (default: 1)");

export const plan = optional(
  v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "It must be the digest of a plan: 64 hexadecimal digits.")),
  "digest of the plan that was approved: run exactly that, or nothing",
);

/** Seconds, as the flags of the command line take them. */
const SECONDS = "must be a number of seconds from 0 to 2147483";
export const seconds = v.pipe(v.number(SECONDS), v.minValue(0, SECONDS), v.maxValue(2_147_483, SECONDS));
export const someTime = v.pipe(seconds, v.gtValue(0, "must be more than 0"));

export const maxLock = optional(
  seconds,
  "refuse if a migration blocks reads or writes of a table for longer than so many seconds",
);

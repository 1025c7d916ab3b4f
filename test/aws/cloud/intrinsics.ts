import * as v from "valibot";

/** What a template's references stand for once it is deployed. */
export interface Physical {
  /** `Ref` of a resource, a parameter or a pseudo parameter; undefined: `AWS::NoValue`. */
  ref(name: string): string | undefined;
  attribute(logicalId: string, attribute: string): string;
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const Strings = v.array(v.string());
const Join = v.tuple([v.string(), v.array(v.unknown())]);
const Select = v.tuple([v.union([v.string(), v.number()]), v.unknown()]);
const Split = v.tuple([v.string(), v.unknown()]);
const Sub = v.union([v.string(), v.tuple([v.string(), v.record(v.string(), v.unknown())])]);

type Evaluate = (argument: unknown, physical: Physical) => Json | undefined;

const FUNCTIONS: Readonly<Record<string, Evaluate>> = {
  Ref: (name, physical) => physical.ref(v.parse(v.string(), name)),
  "Fn::GetAtt": (argument, physical) => {
    const [id = "", ...rest] =
      typeof argument === "string" ? argument.split(".") : v.parse(Strings, argument);
    return physical.attribute(id, rest.join("."));
  },
  "Fn::Join": (argument, physical) => {
    const [separator, parts] = v.parse(Join, argument);
    return parts.map((part) => text(part, physical)).join(separator);
  },
  "Fn::Select": (argument, physical) => {
    const [index, list] = v.parse(Select, argument);
    return v.parse(v.string(), v.parse(Strings, evaluate(list, physical))[Number(index)]);
  },
  "Fn::Split": (argument, physical) => {
    const [separator, whole] = v.parse(Split, argument);
    return text(whole, physical).split(separator);
  },
  "Fn::Sub": (argument, physical) => {
    const parsed = v.parse(Sub, argument);
    const [pattern, values] = typeof parsed === "string" ? [parsed, {}] : parsed;
    return substitute(pattern, values, physical);
  },
};

/**
 * A value of a template as the service would have it. Of the intrinsic functions it knows those whose value needs no
 * condition, mapping or import; another one is an error.
 */
export function evaluate(value: unknown, physical: Physical): Json | undefined {
  if (Array.isArray(value)) return value.map((item) => evaluate(item, physical) ?? null);
  if (typeof value !== "object" || value === null) {
    return v.parse(v.union([v.string(), v.number(), v.boolean(), v.null()]), value);
  }
  const entries = Object.entries(value);
  const [key = "", argument] = entries[0] ?? [];
  const evaluateFunction = FUNCTIONS[key];
  if (entries.length === 1 && evaluateFunction !== undefined) return evaluateFunction(argument, physical);
  if (key.startsWith("Fn::")) throw new Error(`the harness does not know ${key}`);
  const evaluated = entries.flatMap(([name, item]): [string, Json][] => {
    const result = evaluate(item, physical);
    return result === undefined ? [] : [[name, result]];
  });
  return Object.fromEntries(evaluated);
}

/** The same where only text can stand. */
export function text(value: unknown, physical: Physical): string {
  const result = evaluate(value, physical);
  if (typeof result === "string") return result;
  if (typeof result === "number" || typeof result === "boolean") return String(result);
  throw new Error(`no text in the template: ${JSON.stringify(value)}`);
}

/** CloudFormation hands every scalar to a custom resource as text. */
export function withTextScalars(value: Json): Json {
  if (value === null) return value;
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.map(withTextScalars);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withTextScalars(item)]));
}

function substitute(pattern: string, values: Readonly<Record<string, unknown>>, physical: Physical): string {
  return pattern.replaceAll(/\$\{(!?)([^}]+)\}/g, (_, literal: string, name: string) => {
    if (literal !== "") return `\${${name}}`;
    if (name in values) return text(values[name], physical);
    const [id = "", ...rest] = name.split(".");
    return rest.length === 0 ? text({ Ref: id }, physical) : physical.attribute(id, rest.join("."));
  });
}

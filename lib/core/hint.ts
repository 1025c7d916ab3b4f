import { type ConnectionSettings, type DatabaseSetting, type OptionName, propOf } from "./options.ts";

/** A field of a command's input, as the command line and the payloads of the functions both know it. */
export type InputField =
  | "migration"
  | "migrations"
  | "count"
  | "to"
  | "from"
  | "batch"
  | "down"
  | "redo"
  | "measure"
  | "maxLock"
  | "lockTimeout"
  | "statementTimeout"
  | "plan"
  | "outcome"
  | "fake"
  | "contract"
  | "note";
export type CommandInput = Readonly<
  Partial<Record<InputField, string | number | boolean | readonly string[]>>
>;

/** Something that a hint names and that each reader knows under another name. */
export type HintTerm =
  | { readonly kind: "command"; readonly command: string; readonly input: CommandInput }
  | { readonly kind: "field"; readonly field: InputField; readonly value: string | undefined }
  | { readonly kind: "option"; readonly option: OptionName; readonly value: string | undefined }
  | { readonly kind: "setting"; readonly setting: DatabaseSetting; readonly value: string | undefined }
  | { readonly kind: "folder" };

/**
 * What to do about a failure, for readers at a terminal and for readers of a function's answer: `render` takes the words
 * of the reader. As text and in JSON it has those of the command line.
 */
export class Hint {
  readonly parts: readonly (string | HintTerm)[];

  constructor(parts: readonly (string | HintTerm)[]) {
    this.parts = parts;
  }

  /** A template's tag: Hint.of`Bring the file back, or go on without it with ${Hint.option("order", "warn")}.` */
  static of(texts: readonly string[], ...values: readonly (HintTerm | Hint | string | number)[]): Hint {
    const parts = texts.flatMap((text, index) => {
      const value = values[index] ?? "";
      if (value instanceof Hint) return [text, ...value.parts];
      return [text, typeof value === "number" ? String(value) : value];
    });
    return new Hint(parts);
  }

  static command(command: string, input: CommandInput = {}): HintTerm {
    return { kind: "command", command, input };
  }

  /** A field of the command that failed. */
  static field(field: InputField, value?: string): HintTerm {
    return { kind: "field", field, value };
  }

  static option(option: OptionName, value?: string): HintTerm {
    return { kind: "option", option, value };
  }

  static setting(setting: DatabaseSetting, value?: string): HintTerm {
    return { kind: "setting", setting, value };
  }

  /** A setting where it was really set: a variable of its own, or a part of a URL. */
  static settingOf(
    { fromUrl: url }: Pick<ConnectionSettings, "fromUrl">,
    setting: DatabaseSetting,
    value?: string,
  ): HintTerm | string {
    if (url === undefined || url.overridden.includes(setting)) return Hint.setting(setting, value);
    if (setting === "url") return url.name;
    const part = URL_PARTS[setting];
    return value === undefined ? `the ${part} in ${url.name}` : `${part}=${value} in ${url.name}`;
  }

  /** What names the folder of the migrations. */
  static folder(): HintTerm {
    return { kind: "folder" };
  }

  render(words: (term: HintTerm) => string): string {
    return this.parts.map((part) => (typeof part === "string" ? part : words(part))).join("");
  }

  toString(): string {
    return this.render(commandLineWords);
  }

  toJSON(): string {
    return this.toString();
  }
}

const URL_PARTS: Readonly<Record<Exclude<DatabaseSetting, "url">, string>> = {
  host: "host",
  port: "port",
  name: "database",
  user: "user",
  password: "password",
  ssl: "sslmode",
  sslCa: "sslrootcert",
};

export function renderHint(text: string | Hint, words: (term: HintTerm) => string): string {
  return typeof text === "string" ? text : text.render(words);
}

/** A term as it is typed: a command stands in backticks, without what starts this program. */
export function commandLineWords(term: HintTerm): string {
  switch (term.kind) {
    case "command":
      return `\`${[term.command, ...commandArguments(term.input)].join(" ")}\``;
    case "field":
      return argument(term.field, term.value ?? true);
    case "option":
      return [flagOf(term.option), ...(term.value === undefined ? [] : [term.value])].join(" ");
    case "setting":
      return `DATABASE_${term.setting === "sslCa" ? "SSL_CA" : term.setting.toUpperCase()}${term.value === undefined ? "" : `=${term.value}`}`;
    case "folder":
      return "--migrations-dir";
  }
}

export function commandArguments(input: CommandInput): readonly string[] {
  return Object.entries(input).map(([name, value]) => argument(name, value));
}

/** Migrations and counts are positional, and each outcome is a flag. */
function argument(name: string, value: NonNullable<CommandInput[InputField]>): string {
  if (typeof value === "object") return value.join(" ");
  if (name === "migration" || name === "count") return String(value);
  if (name === "outcome") return `--${value}`;
  return value === true ? flagNamed(name) : `${flagNamed(name)} ${value}`;
}

/** The option's flag: its prop in kebab case. */
export function flagOf(name: OptionName): string {
  return flagNamed(propOf(name));
}

function flagNamed(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

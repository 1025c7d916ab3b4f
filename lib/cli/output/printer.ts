import { stripVTControlCharacters } from "node:util";
import { createColors } from "picocolors";
import {
  commandArguments,
  commandLineWords,
  errorAsJson,
  type Finding,
  type Hint,
  type HintTerm,
  type MigrationError,
  renderHint,
  resultAsJson,
  type StatusReport,
} from "../../core/index.ts";
import { commandLine, isTerminal, type Output, type ProcessIo } from "../process-io.ts";

export type Colors = ReturnType<typeof createColors>;

/** Writes lines for people to one of the two outputs. */
export interface Printer {
  readonly colors: Colors;
  /** A line of prose. A narrow terminal gets it broken between words. */
  line(text?: string): void;
  /** SQL, a table, a diff: printed without line breaks. */
  verbatim(text: string): void;
}

export function createPrinter(io: ProcessIo, output: Output): Printer {
  return {
    colors: colorsFor(io, output),
    line: (text = "") => {
      output.write(`${fold(text, isTerminal(io, output) ? output.columns : undefined)}\n`);
    },
    verbatim: (text) => {
      output.write(`${text}\n`);
    },
  };
}

/**
 * Colours only on a terminal, and not with `NO_COLOR` (no-color.org). `FORCE_COLOR`, which many pipelines set for all
 * they run, is ignored: `plan > file.sql` would no longer be SQL.
 */
export function colorsFor(io: ProcessIo, output: Output): Colors {
  return createColors(isTerminal(io, output) && !io.env["NO_COLOR"]);
}

/** Prints the one object of `--json` for a command that succeeded. */
export function printJson(io: ProcessIo, command: string, report: object): void {
  print(io, resultAsJson(command, report));
}

/** Prints the one object for a command that failed. */
export function printJsonError(io: ProcessIo, error: MigrationError): void {
  print(io, errorAsJson(error));
}

/** Prints the one object for a defect, which has no error code of the engine. */
export function printJsonDefect(io: ProcessIo, message: string): void {
  print(io, { ok: false, error: { code: "INTERNAL", message } });
}

function print(io: ProcessIo, object: object): void {
  io.stdout.write(`${JSON.stringify(object, undefined, 2)}\n`);
}

/** A duration for people. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const rest = seconds % 60;
  return `${Math.floor(seconds / 60)} min${rest === 0 ? "" : ` ${rest} s`}`;
}

/** Names separated by commas; of a long list, the first ones. */
export function listNames(all: readonly string[], shown: number): string {
  const more = all.length - shown;
  return more > 0 ? `${all.slice(0, shown).join(", ")} and ${more} more` : all.join(", ");
}

export function amount(number: number): string {
  return number === 1 ? "1 migration" : `${number} migrations`;
}

/**
 * Characters that move the cursor, set a title, fill a clipboard, or change the order in which text is shown. Line
 * feeds, tabs, and the joiners of emoji and letters are harmless.
 */
const CONTROL =
  /(?![\n\t])[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** The beginnings of lines that GitHub and Azure take for commands in a log. */
const WORKFLOW_COMMAND =
  /^(\s*):(?=:(?:error|warning|notice|debug|group|endgroup|add-mask|add-path|add-matcher|remove-matcher|echo|save-state|set-env|set-output|stop-commands)\b)|#(?=#(?:vso)?\[)/gim;

/** Makes text from outside safe to print: control characters are shown as numbers. */
export function visible(text: string): string {
  return withoutControls(text).replace(
    WORKFLOW_COMMAND,
    (match, indent = "") => `${indent}${match.endsWith(":") ? "\\u003a" : "\\u0023"}`,
  );
}

/** The same for all strings of a report, an event or an error. */
export function visibleAll<T>(value: T): T;
export function visibleAll(value: unknown): unknown {
  if (typeof value === "string") return visible(value);
  if (Array.isArray(value)) return value.map((part: unknown) => visibleAll(part));
  if (typeof value !== "object" || value === null || !isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [visible(key), visibleAll(part)]));
}

/** Whether it is a plain object, not an instance of a class. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function withoutControls(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(CONTROL, escaped);
}

/** Escaped as in JSON, so that JSON stays valid. */
function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, index) => {
    const code = character.charCodeAt(index).toString(16).padStart(4, "0");
    return `\\u${code}`;
  }).join("");
}

/** The escape sequences that this program writes: colours, bold, dim, and erasing a line. */
const ESCAPE = "\x1b";
const ALLOWED = new RegExp(`(\\r?${ESCAPE}\\[2K|${ESCAPE}\\[(?:0|1|2|22|3\\d|9\\d)m)`);

/**
 * The output without control characters, the last defence of the terminal. Only a terminal gets the escape sequences of
 * this program.
 */
export function guarded(io: ProcessIo, output: Output): Output {
  return {
    get isTTY() {
      return output.isTTY;
    },
    get columns() {
      return output.columns;
    },
    write: (text) => {
      if (!isTerminal(io, output)) return output.write(withoutControls(text));
      const parts = text.split(ALLOWED);
      return output.write(
        parts.map((part, index) => (index % 2 === 1 ? part : withoutControls(part))).join(""),
      );
    },
  };
}

/** Characters that take two columns of a terminal. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u;

/** What a terminal shows as a unit: a letter with its accents, an emoji. */
interface Cell {
  readonly text: string;
  /** Columns it takes. */
  readonly width: number;
}

/** A line as a terminal shows it. A tab counts as one space. */
export function cellsOf(line: string): Cell[] {
  return [...new Intl.Segmenter("en").segment(line)].map(({ segment }) => {
    const text = segment === "\t" ? " " : segment;
    return { text, width: WIDE.test(text) ? 2 : 1 };
  });
}

export function widthOfCells(cells: readonly Cell[]): number {
  return cells.reduce((sum, { width }) => sum + width, 0);
}

/** The line, cut to `columns` with an ellipsis. */
export function clip(line: string, columns: number): string {
  const cells = cellsOf(line);
  if (widthOfCells(cells) <= columns) return line;
  return `${takeColumns(cells, columns - 1)}…`;
}

/**
 * Prose for a terminal of that width, broken between words and indented like the first line. In a file or a pipe, where
 * the width is unknown, lines stay whole: they can be searched and copied.
 */
export function fold(text: string, columns: number | undefined): string {
  // A terminal that does not know its width reports 0.
  if (columns === undefined || columns === 0) return text;
  return text
    .split("\n")
    .flatMap((line) => {
      const indent = /^ */.exec(line)?.[0] ?? "";
      return wrap(line.slice(indent.length), columns - indent.length).map((part) => indent + part);
    })
    .join("\n");
}

/** Breaks a text into lines of at most that many columns. A longer word gets its own line. */
export function wrap(text: string, columns: number): string[] {
  if (columnsOf(text) <= columns) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && columnsOf(longer) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}

function columnsOf(text: string): number {
  return widthOfCells(cellsOf(stripVTControlCharacters(text)));
}

/** The first cells that fit into `columns`. */
export function takeColumns(cells: readonly Cell[], columns: number): string {
  let room = columns;
  const end = cells.findIndex(({ width }) => {
    room -= width;
    return room < 0;
  });
  return (end < 0 ? cells : cells.slice(0, end)).map(({ text }) => text).join("");
}

/** A hint as a person at a terminal can follow it: commands are whole command lines. */
export function adviceFor(hint: string | Hint): string {
  return renderHint(hint, terminalWords);
}

function terminalWords(term: HintTerm): string {
  if (term.kind !== "command") return commandLineWords(term);
  return commandLine(term.command, commandArguments(term.input).join(" "));
}

/** Prints what `up` would refuse and what it would only mention, each with its hint. */
export function printFindings(printer: Printer, report: Pick<StatusReport, "refusals" | "warnings">): void {
  const { colors } = printer;
  const [refusals, warnings] = [withAdvice(report.refusals), withAdvice(report.warnings)];
  for (const { code, message, hint } of refusals) {
    printer.line(`${colors.red(code)} ${message}`);
    if (hint !== "") printer.line(`  ${hint}`);
  }
  if (refusals.length > 0) printer.line(`Until then, ${commandLine("up")} refuses to run.`);
  for (const { message, hint } of warnings) {
    printer.line(`${colors.yellow("Note:")} ${message}`);
    if (hint !== "") printer.line(`  ${hint}`);
  }
}

function withAdvice(findings: readonly Finding[]): readonly Finding[] {
  return visibleAll(findings.map((finding) => ({ ...finding, hint: adviceFor(finding.hint) })));
}

import { isTerminal, type Output, type World } from "../world.ts";

/**
 * What moves the cursor, sets a title or fills a clipboard, or shows a text in another order than it is written in.
 * Line feeds and tabs may stay; so may what joins emoji and letters.
 */
const UNSEEN =
  /(?![\n\t])[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** Lines that GitHub and Azure take for commands, wherever a log has them. */
const WORKFLOW_COMMAND =
  /^(\s*):(?=:(?:error|warning|notice|debug|group|endgroup|add-mask|add-path|add-matcher|remove-matcher|echo|save-state|set-env|set-output|stop-commands)\b)|#(?=#(?:vso)?\[)/gim;

/** Text that is not ours, for people: a character that would act is shown as its number. */
export function visible(text: string): string {
  return withoutControls(text).replace(
    WORKFLOW_COMMAND,
    (found, indent = "") => `${indent}${found.endsWith(":") ? "\\u003a" : "\\u0023"}`,
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

/** Data; what has a class of its own stays what it is. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function withoutControls(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(UNSEEN, escaped);
}

/** As JSON writes it, so that JSON stays what it is. */
function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, index) => {
    const code = character.charCodeAt(index).toString(16).padStart(4, "0");
    return `\\u${code}`;
  }).join("");
}

/** What we send ourselves: colours, bold and dim, and the end of a line that is written anew. */
const ESCAPE = "\x1b";
const OWN = new RegExp(`(\\r?${ESCAPE}\\[2K|${ESCAPE}\\[(?:0|1|2|22|3\\d|9\\d)m)`);

/**
 * The last door before a terminal. Whatever was not looked at on the way goes through it without acting; on what is no
 * terminal nothing of ours needs to pass either.
 */
export function guarded(world: World, output: Output): Output {
  return {
    get isTTY() {
      return output.isTTY;
    },
    get columns() {
      return output.columns;
    },
    write: (text) => {
      if (!isTerminal(world, output)) return output.write(withoutControls(text));
      const parts = text.split(OWN);
      return output.write(
        parts.map((part, index) => (index % 2 === 1 ? part : withoutControls(part))).join(""),
      );
    },
  };
}

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** One page of the documentation. */
export interface Page {
  /** Relative to the repository. */
  readonly path: string;
  readonly text: string;
}

/** A fenced block. */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** The paragraph before it. */
  readonly lead: string;
}

export function readPage(path: string): Page {
  return { path, text: readFileSync(join(REPOSITORY, path), "utf8") };
}

/** Every page that a reader of the repository meets. */
export function allPages(): Page[] {
  const inFolder = (folder: string) =>
    readdirSync(join(REPOSITORY, folder))
      .filter((name) => name.endsWith(".md"))
      .map((name) => readPage(join(folder, name)));
  const folders = [".", "docs", "docs/decisions", "skills/cdk-pg-migrate"];
  return folders.flatMap(inFolder);
}

const FENCED = /^```(\w*)\n([\s\S]*?)^```$/gm;

export function blocks(text: string): Block[] {
  return [...text.matchAll(FENCED)].map(({ 1: language = "", 2: inner = "", index }) => ({
    language,
    text: inner,
    lead: text.slice(0, index).trimEnd().split("\n\n").at(-1) ?? "",
  }));
}

/** The only block of a language in a section, or the first on the page. */
export function firstBlock(text: string, language: string): string {
  const found = blocks(text).find((block) => block.language === language);
  if (found === undefined) throw new Error(`no block of ${language}`);
  return found.text;
}

export function withoutBlocks(text: string): string {
  return text.replace(FENCED, "");
}

/** What stands in backticks, outside blocks. */
export function codeSpans(text: string): string[] {
  return [...withoutBlocks(text).matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span.replace(/\s+/g, " "));
}

/** The text under a heading, as far as the next of the same or a higher level. */
export function section(text: string, heading: string): string {
  const lines = text.split("\n");
  const from = lines.findIndex((line) => line.replace(/^#+ /, "") === heading && line.startsWith("#"));
  const level = lines[from]?.match(/^#+/)?.[0].length;
  if (level === undefined) throw new Error(`no heading "${heading}"`);
  const rest = lines.slice(from + 1);
  const end = rest.findIndex((line) => /^#+ /.test(line) && line.search(/[^#]/) <= level);
  return rest.slice(0, end < 0 ? undefined : end).join("\n");
}

export function headings(text: string): string[] {
  return [...withoutBlocks(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
}

/** The anchor GitHub gives a heading. */
export function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");
}

/** Rows of the tables in a text, each as its cells; heads and rulers left out. */
export function tableRows(text: string): string[][] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.flatMap((line, index) => {
    const isHead = /^\|[\s|:-]+\|$/.test(lines[index + 1] ?? "");
    if (!line.startsWith("|") || isHead || /^\|[\s|:-]+\|$/.test(line)) return [];
    return [
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    ];
  });
}

/** Links of a page to files of the repository, as they are written. */
export function relativeLinks({ text }: Page): string[] {
  const targets = [...withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return targets.filter((target) => !/^[a-z]+:/i.test(target));
}

/** The page and the anchor that a relative link leads to. */
export function resolveLink(page: Page, link: string): { readonly path: string; readonly anchor: string } {
  const [file = "", hash = ""] = link.split("#");
  return { path: file === "" ? page.path : join(dirname(page.path), file), anchor: hash };
}

/** All source text in a folder, one file left out where it is named. */
export function sourceOf(folder: string, except?: string): string {
  return readdirSync(join(REPOSITORY, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith(".ts") && path !== except)
    .map((path) => readFileSync(join(REPOSITORY, path), "utf8"))
    .join("\n");
}

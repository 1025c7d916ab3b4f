import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { USAGE } from "../../bench/options.ts";
import { ERROR_CODES, ERRORS, VERSION } from "../../lib/core/index.ts";
import { commandNames, flagsIn, help } from "./commands.ts";
import {
  allPages,
  anchor,
  blocks,
  codeSpans,
  firstBlock,
  headings,
  type Page,
  REPOSITORY,
  readPage,
  relativeLinks,
  resolveLink,
  section,
  sourceOf,
  tableRows,
} from "./markdown.ts";

const pages = allPages();
const readme = readPage("README.md");
const troubleshooting = readPage("docs/troubleshooting.md");
const manifest: { version: string; scripts: Record<string, string> } = JSON.parse(
  readFileSync(join(REPOSITORY, "package.json"), "utf8"),
);

describe.each(pages.map((page) => [page.path, page] as const))("%s", (_path, page) => {
  test("every link of the page leads to a file and a heading that exist", () => {
    expect(relativeLinks(page).filter((link) => !leadsSomewhere(page, link))).toEqual([]);
  });

  test("every npm script of the page is in package.json", () => {
    const named = [...page.text.matchAll(/npm run (?:-s )?([\w:-]+)/g)].map(([, script = ""]) => script);
    // `npm run migrate:*` means all of them.
    expect(named.filter((script) => !script.endsWith(":") && !(script in manifest.scripts))).toEqual([]);
  });
});

function leadsSomewhere(page: Page, link: string): boolean {
  const { path, anchor: wanted } = resolveLink(page, link);
  if (!existsSync(join(REPOSITORY, path))) return false;
  return wanted === "" || headings(readPage(path).text).map(anchor).includes(wanted);
}

describe("the commands", () => {
  const flags = new Map<string, Set<string>>();
  beforeAll(async () => {
    for (const name of await commandNames()) flags.set(name, flagsIn(await help(name)));
  });

  test("all commands are in the README and are npm scripts", () => {
    const listed = tableRows(section(readme.text, "Commands"))
      .map(([cell = ""]) => /^`npm run (?:migrate:)?([\w:]+)/.exec(cell)?.[1])
      .filter((name) => name !== undefined);
    expect(listed.toSorted()).toEqual([...flags.keys()].toSorted());
    const scripts = Object.keys(manifest.scripts).filter((name) => /^(migrate|db):/.test(name));
    expect(scripts.map((name) => name.replace("migrate:", "")).toSorted()).toEqual(listed.toSorted());
  });

  test.each(pages.map((page) => [page.path, page] as const))(
    "the commands have the flags that %s shows",
    (_path, page) => {
      expect(shownFlags(page).filter(({ command, flag }) => !hasFlag(command, flag))).toEqual([]);
    },
  );

  /** Flags of other programs that the pages name. */
  const others = new Set(["--ignore-scripts", "-c", "--cli-read-timeout", "--query"]);

  const ofBench = flagsIn(USAGE);

  function hasFlag(command: string | undefined, flag: string): boolean {
    if (others.has(flag)) return true;
    if (command === "bench") return ofBench.has(flag) || flag === "--help";
    const own = command === undefined ? undefined : flags.get(command);
    return own === undefined ? [...flags.values()].some((known) => known.has(flag)) : own.has(flag);
  }
});

/** Flags in commands and in running text, with the command they are given to where that is said. */
function shownFlags({ text }: Page): { command: string | undefined; flag: string }[] {
  const lines = blocks(text).flatMap((block) => (block.language === "sh" ? block.text.split(/\n|&&/) : []));
  return [...codeSpans(text), ...lines].flatMap((shown) => {
    const [, command, rest = ""] =
      /^(?:(?:npm run |npx cdk-pg-migrate )(?:migrate:)?([\w:]+)|(?:up|down|redo|status|plan|create|repair|resolve|baseline|history)(?=\s|$))(.*)$/.exec(
        shown.trim(),
      ) ?? [];
    const isFlag = /^--?[a-z]/.test(shown);
    if (command === undefined && rest === "" && !isFlag) return [];
    const found = [...(isFlag ? shown : rest).matchAll(/(?<=^|[\s,])--?[a-z][\w-]*/g)];
    return found.map(([flag]) => ({
      command:
        command ?? /^(up|down|redo|status|plan|create|repair|resolve|baseline|history)\b/.exec(shown)?.[1],
      flag,
    }));
  });
}

describe("the DATABASE_* variables", () => {
  const inCode = [
    ...new Set((sourceOf("lib/cli") + sourceOf("lib/client")).match(/(?<=")DATABASE_[A-Z_]+(?=")/g)),
  ]
    .filter((name) => !ERROR_CODES.some((code) => code === name))
    .toSorted();

  test("the README lists the DATABASE_* variables of the code", () => {
    const cells = tableRows(section(readme.text, "Which database")).map(([cell = ""]) => cell);
    expect(cells.map((cell) => cell.replaceAll("`", "")).toSorted()).toEqual(inCode);
  });

  test(".env.example lists the DATABASE_* variables of the code", () => {
    const text = readFileSync(join(REPOSITORY, ".env.example"), "utf8");
    const names = [...text.matchAll(/^(?:# )?(DATABASE_[A-Z_]+)=/gm)].map(([, name = ""]) => name);
    expect(names.toSorted()).toEqual(inCode);
  });
});

describe("the error codes", () => {
  const entries = headings(troubleshooting.text).filter((heading) => /^[A-Z_]+$/.test(heading));

  test("every error code has an entry in docs/troubleshooting.md, and nothing else has", () => {
    expect(entries.toSorted()).toEqual([...ERROR_CODES].toSorted());
  });

  test("every error code with an entry is used in the code", () => {
    const source = sourceOf("lib", "lib/core/error-codes.ts") + sourceOf("lambda");
    expect(entries.filter((code) => !source.includes(`"${code}"`))).toEqual([]);
  });

  test.each(ERROR_CODES.filter((code) => ERRORS[code].exit !== 1))(
    "the entry of %s names its exit code, which is not 1",
    (code) => {
      const text = section(troubleshooting.text, code).replace(/\s+/g, " ");
      expect(text).toContain(`exit code ${ERRORS[code].exit}`);
    },
  );

  test("the example of every entry begins with its error code", () => {
    const wrong = entries.filter(
      (code) => !titlesOf(code).some((title) => exampleOf(code).startsWith(title)),
    );
    expect(wrong).toEqual([]);
  });
});

const exampleOf = (code: string): string => firstBlock(section(troubleshooting.text, code), "text");

/** As the CLI heads them (what somebody cancelled is not shown as an error), or as the functions on AWS do. */
function titlesOf(code: string): string[] {
  return code === "CANCELLED" ? ["Cancelled"] : [`Error ${code}`, `${code}: `, `${code} in `];
}

test("the program says the version of package.json", () => {
  expect(VERSION).toBe(manifest.version);
});

import { readFileSync } from "node:fs";
import { absolutePath } from "../file-stats.ts";
import { withoutLeadingComments } from "../source-text.ts";
import type { ModuleFile } from "./plugin.ts";

/** Nothing in it that an import or a URL would read as something else. */
const NAME = /[\\/][\w-][\w.-]*\.(?:ts|js)$/;
/** Comments and imports of types that a file begins with: there is no text around them that they could be part of. */
const HEAD =
  /^(?:\s+|\/\/.*|\/\*[\s\S]*?\*\/|import\s+type\s+(?:\{[^}]*\}|\*\s*as\s+[\w$]+|[\w$]+)\s*from\s*(["'])[^"'\n]*\1|;)*/;
/** The same, with names from the engine, as older templates have them: types, as a rule, which the text does not say. */
const ENGINE_HEAD = new RegExp(
  String.raw`${HEAD.source.slice(0, -2)}|import\s*\{[^}]*\}\s*from\s*(?:"node-pg-migrate"|'node-pg-migrate'))*`,
);
/** What depends on other files, on where the file is, on its package.json (CommonJS) or tsconfig.json (classes). */
const DEPENDENT =
  /\b(?:import|require|module|exports|class|__dirname|__filename)\b|\bexport\s*(?:type\s*)?(?:[*=]|\{[^}]*\}\s*(?:from\b|\/))/;

/**
 * The modules that esbuild compiles the same whether it is told how to or not: it reads them by itself, in a quarter
 * of the time. Nearly all migrations import types alone. One left out costs that time; one too many would have to
 * hide an import in a comment.
 */
export function plainModules(dir: string, modules: readonly ModuleFile[]): ReadonlySet<string> {
  const kinds = new Map(modules.map(({ path }) => [path, kindOf(dir, path)]));
  const paths = [...kinds.keys()];
  // Names of types stay imported where a tsconfig.json says so; without a module that needs it none is read.
  const all = paths.every((path) => kinds.get(path) !== "dependent");
  return new Set(all ? paths : paths.filter((path) => kinds.get(path) === "plain"));
}

type Kind = "plain" | "names engine" | "dependent";

function kindOf(dir: string, path: string): Kind {
  const name = NAME.exec(path)?.[0].slice(1);
  // A link leads to another folder, whose name it has not.
  if (name === undefined || path !== absolutePath(dir, name)) return "dependent";
  const text = readText(path);
  if (text === undefined || /^(?:\ufeff|#!)/.test(text)) return "dependent";
  // What is not UTF-8, of whichever kind, is refused where it is read with the others.
  if (/[\ufffd\0]/.test(text) || !/^export\s/m.test(text)) return "dependent";
  const body = text.replace(HEAD, "");
  if (!DEPENDENT.test(withoutLeadingComments(body))) return "plain";
  return DEPENDENT.test(withoutLeadingComments(text.replace(ENGINE_HEAD, ""))) ? "dependent" : "names engine";
}

/** What cannot be read is complained about when it is compiled. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

import { pathToFileURL } from "node:url";
import type { Message } from "esbuild";
import { FolderError, type FolderProblem, problemLine, severalLines } from "../errors.ts";
import { property } from "../unknown.ts";
import { runEsbuild } from "./esbuild.ts";
import { LOCAL, type ModuleFile, migrationsPlugin } from "./plugin.ts";

/**
 * Compiles modules and the local files they import into the text of one module.
 * @throws FolderError naming every file that does not compile.
 */
export async function compileModules(dir: string, modules: readonly ModuleFile[]): Promise<string> {
  const outcome = await runEsbuild(dir, () => migrationsPlugin(modules, () => {}));
  if (outcome.errors !== undefined) throw compileError(outcome.errors);
  const output = (extension: string) =>
    outcome.built.outputFiles.find((file) => file.path.endsWith(extension))?.text ?? "";
  return `${output(".mjs")}\n//# sourceMappingURL=${inlineMap(output(".mjs.map"))}\n`;
}

/** Stack traces show original files: the map must name them as Node does. */
function inlineMap(text: string): string {
  const map: unknown = JSON.parse(text);
  const sources = property(map, "sources");
  const urls = Array.isArray(sources) ? sources.map(sourceUrl) : [];
  const named = JSON.stringify({ ...(typeof map === "object" ? map : {}), sources: urls });
  return `data:application/json;base64,${Buffer.from(named).toString("base64")}`;
}

function sourceUrl(source: unknown): string {
  const text = String(source);
  const prefix = `${LOCAL}:`;
  return text.startsWith(prefix) ? pathToFileURL(text.slice(prefix.length)).href : text;
}

function compileError(messages: readonly Message[]): FolderError {
  const problems = messages.map(toProblem);
  const [first, ...others] = problems;
  const message =
    first !== undefined && others.length === 0
      ? `a migration does not compile: ${problemLine(first)}`
      : ["migrations do not compile:", ...severalLines(problems)].join("\n");
  const hint = "correct the file; nothing was run";
  return new FolderError("MIGRATION", message, { problems, hint });
}

function toProblem({ text, location }: Message): FolderProblem {
  if (location === null) return { file: "migrations", message: text };
  const { file, line, column } = location;
  const prefix = `${LOCAL}:`;
  const path = file.startsWith(prefix) ? file.slice(prefix.length) : file;
  return { file: path, line, column: column + 1, message: text };
}

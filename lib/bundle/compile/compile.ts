import { pathToFileURL } from "node:url";
import type { Message } from "esbuild";
import { type FileProblem, MigrationError, problemLine, problemLines, property } from "../../core/index.ts";
import { besideProject } from "./beside-project.ts";
import { runEsbuild } from "./esbuild.ts";
import { LOCAL, pathOfInput } from "./local-names.ts";
import type { ModuleFile } from "./plugin.ts";

/**
 * Compiles modules and the local files they import into the text of one module.
 * @throws MigrationError naming every file that does not compile.
 */
export async function compileModules(dir: string, modules: readonly ModuleFile[]): Promise<string> {
  const outcome = await runEsbuild({ dir, modules }, besideProject(dir));
  if (outcome.errors !== undefined) throw compileError(toProblems(dir, outcome.errors));
  const output = (extension: string) =>
    outcome.built.outputFiles.find((file) => file.path.endsWith(extension))?.text ?? "";
  return `${output(".mjs")}\n//# sourceMappingURL=${inlineMap(dir, output(".mjs.map"))}\n`;
}

/** Stack traces show original files: the map must name them as Node does. */
function inlineMap(dir: string, text: string): string {
  const map: unknown = JSON.parse(text);
  const sources = property(map, "sources");
  const url = (source: string) =>
    source.startsWith(`${LOCAL}:`) ? pathToFileURL(pathOfInput(dir, source)).href : source;
  const urls = Array.isArray(sources) ? sources.map((source) => url(String(source))) : [];
  const named = JSON.stringify({ ...(typeof map === "object" ? map : {}), sources: urls });
  return `data:application/json;base64,${Buffer.from(named).toString("base64")}`;
}

export function compileError(problems: readonly FileProblem[]): MigrationError {
  const [first, ...others] = problems;
  const message =
    first !== undefined && others.length === 0
      ? `a migration does not compile: ${problemLine(first)}`
      : ["migrations do not compile:", ...problemLines(problems)].join("\n");
  const hint = "correct the file; nothing was run";
  return new MigrationError("MIGRATION", message, { problems, hint });
}

export function toProblems(dir: string, messages: readonly Message[]): FileProblem[] {
  return messages.map(({ text, location }) => {
    if (location === null) return { file: "migrations", message: text };
    const { file, line, column } = location;
    return { file: pathOfInput(dir, file), line, column: column + 1, message: text };
  });
}

import { readFileSync } from "node:fs";
import { dirname, extname, resolve } from "node:path";
import type { Metafile, OnResolveArgs, OnResolveResult, PartialMessage, Plugin } from "esbuild";
import { refersToItself } from "../source-text.ts";
import { SELF } from "./adapt.ts";
import { LOCAL } from "./local-names.ts";
import { answerRequires, REQUIRED, requiredModule } from "./requires.ts";
import { findSelfReference, type SelfReference } from "./self-reference.ts";
import { isRequire, QUESTION } from "./targets.ts";

/** The asset's copy, from where the compiled module is: migrations get the classes the engine has. */
const ENGINE_COPY = "../node-pg-migrate.mjs";

/** Compiles packages together with the migrations that import them. */
export function packagesInside(dir: string): Plugin {
  return {
    name: "packages-inside",
    setup(build) {
      answerRequires(build);
      const suspects = new Map<string, SelfReference>();
      build.onResolve({ filter: /^node-pg-migrate$/ }, engineCopy);
      build.onResolve({ filter: /^\.\.\/node-pg-migrate\.mjs$/, namespace: REQUIRED }, ({ path }) => ({
        path,
        external: true,
      }));
      build.onResolve({ filter: /^file:/, namespace: LOCAL }, fileUrl);
      build.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: "file" }, async ({ path }) => {
        const original = readFileSync(path, "utf8");
        if (!refersToItself(original)) return undefined;
        const text = requireByRelativePath(original);
        const found = await findSelfReference(path, text);
        if (found !== undefined) suspects.set(path, found);
        return { contents: withOwnUrl(text), loader: loaderOf(path), resolveDir: dirname(path) };
      });
      build.onEnd(({ metafile }) => ({ errors: refusals(dir, metafile, suspects) }));
    },
  };
}

function engineCopy(args: OnResolveArgs): OnResolveResult | undefined {
  if (args.pluginData === QUESTION) return undefined;
  if (!isRequire(args)) return { path: ENGINE_COPY, external: true };
  return requiredModule(ENGINE_COPY, ENGINE_COPY, args.resolveDir);
}

function fileUrl({ path }: OnResolveArgs): OnResolveResult {
  return { errors: [{ text: `"${path}" is a place on this machine; import it by a relative path` }] };
}

/** `require(__dirname + "/file.js")`, the same with a template literal, and with `path.join`. */
const REQUIRES_OF_NEIGHBOURS = [
  /\brequire\s*\(\s*__dirname\s*\+\s*(["'`])\/([^"'`$\\\n]+)\1\s*\)/g,
  /\brequire\s*\(\s*(`)\$\{\s*__dirname\s*\}\/([^`$\\\n]+)`\s*\)/g,
  /\brequire\s*\(\s*path\s*\.\s*(?:join|resolve)\s*\(\s*__dirname\s*,\s*(["'`])([^"'`$\\\n]+)\1\s*\)\s*\)/g,
];

/**
 * A package that requires a file of its own by the place of the asking file means one that lies beside it. With the
 * relative path in the text, esbuild finds that file and compiles it as well.
 */
function requireByRelativePath(text: string): string {
  return REQUIRES_OF_NEIGHBOURS.reduce(
    (rest, pattern) =>
      rest.replace(pattern, (_found, _quote, name: string) => `require(${JSON.stringify(`./${name}`)})`),
    text,
  );
}

/** Only `createRequire` may still ask for it; see `findSelfReference`. */
function withOwnUrl(text: string): string {
  return `var ${SELF.url} = __migration_here; ${text.replace(/^\ufeff/, "").replace(/^#!/, "//")}`;
}

function loaderOf(path: string): "ts" | "tsx" | "jsx" | "js" {
  const extension = extname(path);
  if (extension === ".tsx" || extension === ".jsx") return extension === ".tsx" ? "tsx" : "jsx";
  return /ts$/.test(extension) ? "ts" : "js";
}

/** A module that nothing of the output needs may say what it likes. */
function refusals(
  dir: string,
  metafile: Metafile | undefined,
  suspects: ReadonlyMap<string, SelfReference>,
): PartialMessage[] {
  const outputs = Object.values(metafile?.outputs ?? {});
  const used = outputs.flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([input, { bytesInOutput }]) =>
      bytesInOutput > 0 ? [resolve(dir, input)] : [],
    ),
  );
  return used.flatMap((path) => {
    const found = suspects.get(path);
    if (found === undefined) return [];
    const { what, line, column } = found;
    const text = `refers to its own place (${what}), as packages do that load native or data files; they are not deployed with migrations: use another package, or the data without it`;
    return [{ text, location: { file: path, line, column } }];
  });
}

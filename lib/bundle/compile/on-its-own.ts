import { join, relative } from "node:path";
import type { OnLoadResult, OnResolveArgs, OnResolveResult } from "esbuild";
import { RESOLVER, SELF } from "./adapt.ts";
import { localName } from "./local-names.ts";
import { packagesInside } from "./packages-inside.ts";
import { requiredModule } from "./requires.ts";
import { findSelfReference } from "./self-reference.ts";
import type { PackageTarget, Surroundings } from "./surroundings.ts";
import { isRequire } from "./targets.ts";

/** Folder beside the compiled module: a copy of the files that migrations may read. */
export const FILES = "files";

const EXPORTS = "plainExports";

/**
 * On a machine that has nothing but the compiled module, the engine's copy of node-pg-migrate, and copies of the
 * folder's data files. `exportsFile` is the source or compiled file of `plainExports`.
 */
export function onItsOwn(dir: string, exportsFile: string): Surroundings {
  return {
    metafile: true,
    banner: BANNER,
    entry: {
      head: `import { ${EXPORTS} } from ${JSON.stringify(exportsFile)};\n`,
      value: (load) => `() => (${load})().then(${EXPORTS})`,
    },
    selfKnowledge: (path) => selfKnowledge(localName(dir, path)),
    check: async (path, text) => {
      if (isInside(dir, path)) return [];
      const found = await findSelfReference(path, text);
      if (found === undefined) return [];
      return [
        {
          text: `refers to its own place (${found.what}), but only the migrations folder is deployed with its files; move the file, and what it reads, below ${dir}`,
          location: { file: path, line: found.line, column: found.column },
        },
      ];
    },
    packageAnswer,
    binary: machineCode,
    plugin: packagesInside(dir),
  };
}

const BANNER = [
  RESOLVER,
  'import { dirname as __migration_dirnameOf, join as __migration_join } from "node:path";',
  'import { fileURLToPath as __migration_toPath } from "node:url";',
  "const __migration_here = import.meta.url;",
  "const require = __migration_createRequire(__migration_here);",
  `const __migration_files = __migration_toPath(new URL("./${FILES}", __migration_here));`,
].join("\n");

/** Each module finds the copies as it would find the files: from where it was in the folder. */
function selfKnowledge(name: string): string {
  const names = [
    `${SELF.filename} = __migration_join(__migration_files, ${JSON.stringify(name)})`,
    `${SELF.dirname} = __migration_dirnameOf(${SELF.filename})`,
    `${SELF.url} = __migration_toUrl(${SELF.filename}).href`,
    `${SELF.resolve} = __migration_resolver(${SELF.url})`,
  ];
  return `var ${names.join(", ")}; `;
}

function isInside(dir: string, path: string): boolean {
  const way = relative(dir, path);
  return way !== "" && !/^\.\.(?:[/\\]|$)/.test(way) && join(dir, way) === path;
}

/**
 * esbuild compiles packages as it finds them. An ES module that is required goes through one that imports it, since
 * `require` alone would not find it.
 */
function packageAnswer(
  { path, esm, asRequired }: PackageTarget,
  args: OnResolveArgs,
): OnResolveResult | undefined {
  if (asRequired && !esm) return { path };
  if (!esm || !isRequire(args)) return undefined;
  return requiredModule(path, args.path, args.resolveDir);
}

function machineCode(path: string): OnLoadResult {
  const text = `is compiled for one kind of machine and cannot be deployed with migrations: ${path}; use a package in plain JavaScript`;
  return { errors: [{ text }] };
}

// Makes dist/api/, what `require("cdk-pg-migrate")` and `import … from "cdk-pg-migrate"` load. The constructs exist once,
// as CommonJS: jest, ts-node and apps of older `cdk init` templates cannot load ES modules, and a second copy as an ES
// module would make two classes of each construct. `import` gets the same objects through a module that re-exports them.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { build } from "esbuild";

const ENGINE_TYPES = "node-pg-migrate";
/**
 * What node-pg-migrate's types need of those of pg, for apps that have none. The real ones come in a package that
 * compilers before TypeScript 5.7 do not accept unless they skip the check of libraries.
 */
const PG_TYPES = `type ClientBase = unknown;
type ClientConfig = unknown;
interface QueryConfig {
  name?: string;
  text: string;
  values?: any[];
}
interface QueryArrayConfig extends QueryConfig {
  rowMode: "array";
}
interface FieldDef {
  name: string;
  tableID: number;
  columnID: number;
  dataTypeID: number;
  dataTypeSize: number;
  dataTypeModifier: number;
  format: string;
}
interface QueryResultBase {
  command: string;
  rowCount: number | null;
  oid: number;
  fields: FieldDef[];
}
interface QueryResult<R = any> extends QueryResultBase {
  rows: R[];
}
interface QueryArrayResult<R extends any[] = any[]> extends QueryResultBase {
  rows: R[];
}
`;
const RELATIVE_SPECIFIER = /((?:from|import)\s*\(?\s*")(\.[^"]+)\.ts"/g;

/**
 * The files of lib/ that the package exports, and the packages that are bundled into each: jest cannot require an ES module,
 * which node-pg-migrate is.
 */
const ENTRIES = { index: [], client: ["node-pg-migrate"], testing: [] };

/** `declarations` holds what the compiler made of the entries, at the same paths below it. */
export async function buildPublicApi(root, declarations, outdir) {
  mkdirSync(outdir, { recursive: true });
  // The package as a whole is of ES modules; this makes `.js` and `.d.ts` here CommonJS, for every resolution.
  writeFileSync(join(outdir, "package.json"), `${JSON.stringify({ type: "commonjs" })}\n`);
  writeFileSync(join(outdir, `${ENGINE_TYPES}.d.ts`), engineTypes());
  const bundles = [];
  for (const [name, bundled] of Object.entries(ENTRIES)) {
    const { metafile } = await bundleEntry(root, { name, bundled, outdir });
    bundles.push({ metafile, from: root });
    writeFileSync(join(outdir, `${name}.mjs`), `export * from "./${name}.js";\n`);
    writeFileSync(join(outdir, `${name}.d.ts`), `export * from "./lib/${name}";\n`);
    writeFileSync(join(outdir, `${name}.d.mts`), `export * from "./${name}.js";\n`);
  }
  copyDeclarations(declarations, outdir, Object.keys(ENTRIES));
  return bundles;
}

function bundleEntry(root, { name, bundled, outdir }) {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const packages = Object.keys({ ...dependencies, ...peerDependencies });
  return build({
    entryPoints: { [name]: join(root, "lib", `${name}.ts`) },
    outdir,
    absWorkingDir: root,
    bundle: true,
    external: packages.filter((one) => !bundled.includes(one)).flatMap((one) => [one, `${one}/*`]),
    format: "cjs",
    platform: "node",
    // Stack traces show the names of classes.
    keepNames: true,
    target: "node20",
    define: {
      "import.meta.dirname": "OWN_FOLDER",
      "import.meta.filename": "OWN_FILE",
      "import.meta.url": "OWN_URL",
    },
    plugins: [ownPlaces(root)],
    metafile: true,
    logLevel: "warning",
  });
}

/** Some files ask where they are, to find others of this package. In dist/ these have the paths that they have here. */
function ownPlaces(root) {
  return {
    name: "own-places",
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]lib[\\/].*\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, "utf8");
        if (!text.includes("import.meta.")) return undefined;
        const place = relative(root, path).replaceAll(sep, "/").replace(/\.ts$/, ".js");
        const head = [
          `const OWN_FILE = require("node:path").join(__dirname, "..", ${JSON.stringify(place)});`,
          'const OWN_FOLDER = require("node:path").dirname(OWN_FILE);',
          'const OWN_URL = require("node:url").pathToFileURL(OWN_FILE).href;',
        ];
        return { contents: `${head.join(" ")} ${text}`, loader: "ts" };
      });
    },
  };
}

/** Those that the public types lead to. Without extensions, which compilers before TypeScript 5 refuse. */
function copyDeclarations(from, outdir, entries) {
  const copied = new Set();
  const copy = (file) => {
    if (copied.has(file)) return;
    copied.add(file);
    const text = readFileSync(join(from, `${file}.d.ts`), "utf8");
    for (const [, , specifier] of text.matchAll(RELATIVE_SPECIFIER)) copy(join(dirname(file), specifier));
    const target = join(outdir, `${file}.d.ts`);
    mkdirSync(dirname(target), { recursive: true });
    const types = relative(dirname(target), join(outdir, ENGINE_TYPES)).replaceAll(sep, "/");
    writeFileSync(
      target,
      text.replace(RELATIVE_SPECIFIER, '$1$2"').replaceAll(`"${ENGINE_TYPES}"`, JSON.stringify(types)),
    );
  };
  for (const entry of entries) copy(join("lib", entry));
}

/**
 * The types that migrations are written with, for compilers that do not find node-pg-migrate: it has types for ES
 * modules only, and a strict `node_modules` shows an app its own dependencies only. Without private members, which
 * would make a builder of node-pg-migrate's own types unacceptable here.
 */
function engineTypes() {
  const require = createRequire(import.meta.url);
  const { version } = require("node-pg-migrate/package.json");
  const original = readFileSync(join(dirname(require.resolve("node-pg-migrate")), "index.d.ts"), "utf8");
  const text = original
    .replace(/^import \{ Jiti \} from "jiti";\n/m, "type Jiti = unknown;\n")
    .replace(/^import \{[^}]*\} from "pg";\n/m, PG_TYPES)
    .replace(/^\s+private .*\n/gm, "");
  const unexpected = /^import .*/m.exec(text)?.[0];
  if (unexpected !== undefined)
    throw new Error(`the types of node-pg-migrate have a new import: ${unexpected}`);
  return `// Types of node-pg-migrate ${version}, whose licence is in LICENSES.txt.\n${text}`;
}

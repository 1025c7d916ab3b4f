import { relative, resolve, sep } from "node:path";

/**
 * Not esbuild's own "file": there the nearest package.json and tsconfig.json decide what a file may
 * contain, and a migration works the same whatever project it lies in.
 */
export const LOCAL = "migration";

/** The name of a local module in compiled code: relative to the folder, the same on every machine. */
export function localName(dir: string, path: string): string {
  if (path.startsWith(`${dir}${sep}`) && !path.includes(sep, dir.length + 1))
    return path.slice(dir.length + 1);
  const name = relative(dir, path);
  return sep === "/" ? name : name.replaceAll(sep, "/");
}

/** The absolute path of a local module from its name. */
export function localPath(dir: string, name: string): string {
  return resolve(dir, name);
}

/** The absolute path of a file as esbuild names it in messages and in its list of inputs. */
export function pathOfInput(dir: string, input: string): string {
  const prefix = `${LOCAL}:`;
  return resolve(dir, input.startsWith(prefix) ? input.slice(prefix.length) : input);
}

import { lstat, mkdir, readFile, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import * as v from "valibot";
import { errorCode } from "../../core/index.ts";
import { ifPresent } from "./failure.ts";

const Links = v.array(v.object({ source: v.string(), target: v.string() }));

/** A link the package could not hold, because npm packs no symbolic links. */
interface Link {
  readonly path: string;
  readonly pointsTo: string;
}

/**
 * Makes the links between shared libraries that the package's install script would have made: npm 12 and
 * `--ignore-scripts` do not run it, and without them the server finds no libraries.
 */
export async function completeSymlinks(native: string): Promise<void> {
  for (const { path, pointsTo } of await missingSymlinks(native)) {
    await mkdir(dirname(path), { recursive: true });
    try {
      await symlink(pointsTo, path);
    } catch (error) {
      // Another project on this machine may be at it too.
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
}

export async function missingSymlinks(native: string): Promise<readonly Link[]> {
  const text = await ifPresent(readFile(join(native, "pg-symlinks.json"), "utf8"));
  if (text === undefined) return [];
  const links = v.parse(Links, JSON.parse(text)).map(({ source, target }) => ({
    // Both are relative to the package, so they begin with "native/"; a copy has another name.
    path: join(native, relative("native", target)),
    pointsTo: relative(dirname(target), source),
  }));
  const infos = await Promise.all(links.map((link) => ifPresent(lstat(link.path))));
  return links.filter((_, index) => infos[index] === undefined);
}

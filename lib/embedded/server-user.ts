import { spawnSync } from "node:child_process";
import { chown } from "node:fs/promises";
import { unusable } from "./options.ts";

/** The user that runs the server, if it is not the user of this process. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

const NOBODY = 65534;

export function ownUid(): number | undefined {
  return process.getuid?.();
}

/** Postgres does not run as root. For other users the server runs as the user of this process. */
export function serverUser(): ServerUser | undefined {
  if (ownUid() !== 0) return undefined;
  if (process.platform !== "linux") {
    throw unusable(
      "Postgres does not run as root",
      "run the command as an ordinary user, without sudo; a folder `.local-postgres/` made by root has to go first",
    );
  }
  return { uid: NOBODY, gid: NOBODY };
}

/** Options for `spawn` to run a child as the server's user. */
export function asServerUser(): { uid?: number; gid?: number } {
  return { ...serverUser() };
}

export async function giveToServerUser(path: string): Promise<void> {
  const user = serverUser();
  if (user !== undefined) await chown(path, user.uid, user.gid);
}

/**
 * Whether the server's user can enter `directory` and pass `test` there. Uses a shell instead of the mode bits, because
 * a parent folder, an access list or a mount may forbid what the bits allow.
 */
export function serverUserCan(directory: string, test = "true"): boolean {
  if (serverUser() === undefined) return true;
  const { status } = spawnSync("/bin/sh", ["-c", `cd -- "$1" && ${test}`, "sh", directory], {
    ...asServerUser(),
    cwd: "/",
    stdio: "ignore",
    env: serverEnvironment(),
  });
  return status === 0;
}

const ALLOWED = ["PATH", "SystemRoot", "SYSTEMROOT", "windir", "TEMP", "TMP", "ComSpec", "COMSPEC"];

/**
 * The environment of the server. It outlives this command, so it gets no credentials. `PG*` would change its behaviour,
 * and LC_ALL makes it independent of the locale of the shell.
 */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const allowed = ALLOWED.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(allowed), LC_ALL: "C", TZ: "UTC" };
}

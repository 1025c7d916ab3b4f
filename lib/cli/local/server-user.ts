import { spawnSync } from "node:child_process";
import { chown } from "node:fs/promises";
import { unusable } from "./options.ts";

/** The user the server's processes run as, when it is not the user of this process. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

const NOBODY = 65534;

export function ownUid(): number | undefined {
  return process.getuid?.();
}

/** Postgres refuses to run as root. Elsewhere, and on Windows, it runs as whoever starts it. */
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

/** Options for `spawn` that make a child run as the server's user. */
export function asServerUser(): { uid?: number; gid?: number } {
  return { ...serverUser() };
}

export async function giveToServerUser(path: string): Promise<void> {
  const user = serverUser();
  if (user !== undefined) await chown(path, user.uid, user.gid);
}

/**
 * Whether the server's user can enter `directory` and pass `test` there. A shell is asked, not the mode
 * bits: a parent folder, an access list or a mount may forbid what the bits allow.
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

const PASSED_ON = ["PATH", "SystemRoot", "SYSTEMROOT", "windir", "TEMP", "TMP", "ComSpec", "COMSPEC"];

/**
 * What the server may know of our environment. It outlives this command, so it gets no credentials; `PG*`
 * would change what it does; and without LC_ALL it follows whatever locale the shell had.
 */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const passedOn = PASSED_ON.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(passedOn), LC_ALL: "C", TZ: "UTC" };
}

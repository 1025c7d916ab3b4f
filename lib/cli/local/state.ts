import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import * as v from "valibot";
import { errorCode } from "../../core/index.ts";
import { ifPresent, unusable } from "./failure.ts";
import type { LocalFolder } from "./folder.ts";
import { RESET_HINT } from "./options.ts";

const State = v.object({
  format: v.literal(1),
  user: v.string(),
  password: v.string(),
  /** The last port; absent before the first start. */
  port: v.optional(v.number()),
  /** Where the data is, for people to read; `data-folder.ts` believes it only where it would put data itself. */
  dataDir: v.string(),
});

/** What is known about a project's server between two commands. Holds its password: mode 0600. */
export type State = v.InferOutput<typeof State>;

export async function readState(folder: LocalFolder): Promise<State | undefined> {
  let text: string | undefined;
  try {
    text = await ifPresent(readFile(folder.stateFile, "utf8"));
  } catch (error) {
    throw unusable(
      `cannot read ${folder.stateFile} (${errorCode(error) ?? "unknown reason"})`,
      RESET_HINT,
      error,
    );
  }
  return text === undefined ? undefined : parse(text, folder.stateFile);
}

function parse(text: string, path: string): State {
  try {
    return v.parse(State, JSON.parse(text));
  } catch {
    // Not the cause: its message quotes the file, and with it the password.
    throw unusable(`${path} is damaged or of another version of this tool`, RESET_HINT);
  }
}

/** Replaces the state at once: a reader sees the old one or the new one. */
export async function writeState(folder: LocalFolder, state: State): Promise<void> {
  const fresh = `${folder.stateFile}.${randomBytes(4).toString("hex")}`;
  await writeFile(fresh, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600, flag: "wx" });
  await rename(fresh, folder.stateFile);
}

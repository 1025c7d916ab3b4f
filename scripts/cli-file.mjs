/** Commands that are run every day, and usually find nothing to do. */
const OFTEN = ["up", "down", "redo", "status"];

/** Which of the two files that cli-bundle.mjs makes has a command, in less code if possible. */
export function fileFor(command) {
  return OFTEN.includes(command) ? "often.mjs" : "all.mjs";
}

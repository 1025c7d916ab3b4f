/** The command line: one table of commands, their settings and their output. On a developer's machine or in CI only. */
export { run } from "./process.ts";

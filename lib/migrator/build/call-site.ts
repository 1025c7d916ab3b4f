import { basename } from "node:path";

/** An error that nobody throws: its stack begins where the function that is given was called. */
export function callSite(message: string, called: (...args: never) => unknown): Error {
  const site = new Error(message);
  Error.captureStackTrace(site, called);
  return site;
}

/** The first place of a stack, as `file:line`, without the folder. Undefined when it names no file. */
export function placeOf({ stack = "" }: Error): string | undefined {
  const [, file, line] = /^ +at .*?((?:file:\/\/)?(?:\/|[A-Z]:[\\/])[^()]*):(\d+):\d+\)?$/m.exec(stack) ?? [];
  return file === undefined ? undefined : `${basename(file.replaceAll("\\", "/"))}:${line}`;
}

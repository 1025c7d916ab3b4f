import { basename, resolve, sep } from "node:path";
import { LOCAL } from "./local-names.ts";

/** The folders that inputs are named from, and that must not show. */
export interface Places {
  /** The migrations folder. */
  readonly dir: string;
  /** Folder of this package's own code. */
  readonly ownFolder: string;
}

/**
 * Compiled code without the places its packages were installed at. esbuild writes the path of each module before its
 * code: as a comment, and as the name of the function around it, which shows in stack traces.
 */
export function withoutPlaces(code: string, inputs: readonly string[], places: Places): string {
  const labels = new Map(inputs.map((input) => [input, label(input, places)]));
  return code.replace(LABEL, (found, before: string, input: string, after: string) => {
    const name = labels.get(input);
    return name === undefined ? found : `${before}${name}${after}`;
  });
}

const LABEL = /^(\/\/ | {2}(?:async )?")([^"\n]+)((?:"\([^()]*\) \{)?)$/gm;
const INSTALLED = "node_modules/";

/** A package's module by what comes after the last `node_modules`, our own by its name, any other as it is. */
function label(input: string, { dir, ownFolder }: Places): string {
  if (resolve(dir, input).startsWith(`${ownFolder}${sep}`)) return `cdk-pg-migrate/${basename(input)}`;
  const path = input.startsWith(`${LOCAL}:`) ? input.slice(LOCAL.length + 1) : input;
  const installed = path.lastIndexOf(INSTALLED);
  return installed === -1 ? path : path.slice(installed + INSTALLED.length);
}

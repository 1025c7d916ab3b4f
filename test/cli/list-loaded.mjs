// Preloaded into a command (`node --import`): appends the path of every module it loads to the file $LOADED_LIST, those
// of Node itself too.
import { appendFileSync } from "node:fs";
import { createRequire, register } from "node:module";

const list = process.env.LOADED_LIST;
const hooks = `
  import { appendFileSync } from "node:fs";
  export async function resolve(specifier, context, next) {
    const resolved = await next(specifier, context);
    appendFileSync(${JSON.stringify(list)}, resolved.url + "\\n");
    return resolved;
  }`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

const { cache } = createRequire(import.meta.url);
process.on("exit", () =>
  appendFileSync(list, `${[...Object.keys(cache), ...process.moduleLoadList].join("\n")}\n`),
);

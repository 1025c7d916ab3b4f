import { readFileSync } from "node:fs";
import { dirname, extname } from "node:path";
import { property } from "../../core/index.ts";
import { nearest } from "../cache-dir.ts";

/** Whether Node takes an installed file for an ES module: by its extension, else by its package. */
export function isEsModule(path: string): boolean {
  const extension = extname(path);
  if (extension === ".mjs") return true;
  return (extension === ".js" || extension === "") && isInModulePackage(path);
}

/** Whether the nearest package.json says that files without a telling extension are ES modules. */
export function isInModulePackage(path: string): boolean {
  const manifest = nearest(dirname(path), "package.json");
  if (manifest === undefined) return false;
  try {
    const content: unknown = JSON.parse(readFileSync(manifest, "utf8"));
    return property(content, "type") === "module";
  } catch {
    return false;
  }
}

import { errorCode } from "../../core/index.ts";
import type { Diagram } from "./diagram.ts";
import { renderDot } from "./dot.ts";

type Library = typeof import("@hpcc-js/wasm-graphviz");

/** Lays a diagram out as SVG for an HTML page; undefined if the optional package is not installed. */
export async function drawPicture(
  diagram: Diagram,
  load: () => Promise<Library> = () => import("@hpcc-js/wasm-graphviz"),
): Promise<string | undefined> {
  const library = await load().catch((error: unknown) => {
    if (/MODULE_NOT_FOUND$/.test(errorCode(error) ?? "")) return undefined;
    throw error;
  });
  if (library === undefined) return undefined;
  const graphviz = await library.Graphviz.load();
  return inlined(graphviz.dot(renderDot(diagram)));
}

/** Removes what does not belong into a page: prolog, comments, namespaces, and titles with the names of nodes. */
function inlined(svg: string): string {
  return svg
    .slice(svg.indexOf("<svg"))
    .replace(/<!--[\s\S]*?-->\s*/g, "")
    .replace(/<title>[\s\S]*?<\/title>\s*/g, "")
    .replace(/ (?:id|xmlns|xmlns:xlink)="[^"]*"/g, "")
    .trim();
}

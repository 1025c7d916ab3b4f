import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { measure } from "./measure.ts";
import type { Context } from "./parts/context.ts";
import { makeProject, type Project } from "./project.ts";
import { OURS_FROM_SOURCE } from "./rows.ts";
import type { Address } from "./server.ts";
import { findTools } from "./tools.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SHOWN = 15;

const Frame = v.object({
  url: v.string(),
  functionName: v.string(),
  lineNumber: v.number(),
  columnNumber: v.number(),
});
const Profile = v.object({
  nodes: v.array(v.object({ id: v.number(), callFrame: Frame })),
  samples: v.array(v.number()),
  timeDeltas: v.array(v.number()),
});
type Frame = v.InferOutput<typeof Frame>;

/** In which modules our own command spends its time; the one from the checkout, for its source maps. */
export async function printProfiles(
  { server, options, say }: Context,
  print: (text: string) => void,
): Promise<void> {
  const count = options.short ? 100 : 1_000;
  for (const language of ["TS", "SQL"] as const) {
    const project = makeProject(language, count);
    const database = await server.fresh();
    for (const what of ["fresh", "nothing to do"]) {
      say(`profile: ${what}`);
      print(`\n${count} ${language}, ${what}: milliseconds by module\n${await profile(project, database)}`);
    }
    project.remove();
  }
}

async function profile(project: Project, database: Address): Promise<string> {
  const tool = findTools().find(({ name }) => name === OURS_FROM_SOURCE);
  if (tool === undefined) throw new Error("there is no command in the checkout");
  const dir = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-bench-"));
  try {
    const command = tool.command(project, database);
    await measure({ ...command, args: ["--cpu-prof", `--cpu-prof-dir=${dir}`, ...command.args] });
    const files = readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"));
    return summarise(files.map((text) => v.parse(Profile, JSON.parse(text))));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function summarise(profiles: readonly v.InferOutput<typeof Profile>[]): string {
  const byModule = new Map<string, number>();
  for (const { nodes, samples, timeDeltas } of profiles) {
    const modules = new Map(nodes.map(({ id, callFrame }) => [id, moduleOf(callFrame)]));
    for (const [index, id] of samples.entries()) {
      const name = modules.get(id) ?? "unknown";
      byModule.set(name, (byModule.get(name) ?? 0) + (timeDeltas[index] ?? 0) / 1000);
    }
  }
  return [...byModule]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, SHOWN)
    .map(([name, ms]) => `${ms.toFixed(0).padStart(7)}  ${name}`)
    .join("\n");
}

function moduleOf({ url, functionName, lineNumber, columnNumber }: Frame): string {
  if (url === "") return functionName.startsWith("(") ? functionName : "(native)";
  if (!url.startsWith("file:")) return url;
  const path = fileURLToPath(url);
  const source = sourceMapOf(path)?.findEntry(lineNumber, columnNumber);
  const original = source !== undefined && "originalSource" in source ? source.originalSource : undefined;
  return shorten(original === undefined ? path : resolve(dirname(path), original));
}

const maps = new Map<string, SourceMap | undefined>();

function sourceMapOf(path: string): SourceMap | undefined {
  if (!maps.has(path)) maps.set(path, readSourceMap(`${path}.map`));
  return maps.get(path);
}

function readSourceMap(path: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** A package by its name, ours by file. */
function shorten(path: string): string {
  const packageName = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  return packageName === undefined || packageName === ".cache" ? relative(ROOT, path) : packageName;
}

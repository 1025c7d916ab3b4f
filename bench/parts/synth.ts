import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { takeTurns } from "../contest.ts";
import { measure } from "../measure.ts";
import { DIST } from "../package-copy.ts";
import { makeProject, type Project } from "../project.ts";
import { type Cost, OURS, type Row } from "../rows.ts";
import { makeAsset } from "./asset.ts";
import type { Context } from "./context.ts";

const SCRIPT = fileURLToPath(new URL("../children/synth.mjs", import.meta.url));

/** An app's synth, and the part of it that makes the asset; nothing compiled before, then everything. */
export async function runSynth({ options, say }: Context): Promise<readonly Row[]> {
  const projects = [makeProject("TS", 1), makeProject("TS", options.short ? 100 : 1_000)];
  const once = {
    app: synth,
    asset: async (project: Project) => ({ wallMs: (await makeAsset(project)).wallMs }),
  };
  try {
    const rows: Row[] = [];
    for (const what of ["app", "asset"] as const) {
      say(titleOf(what, "…", "first and repeated"));
      // Most of an app's synth is not ours.
      const runs = options.short && what === "app" ? 1 : options.runs;
      rows.push(...(await measureBoth(projects, what, runs, once[what])));
    }
    return rows;
  } finally {
    for (const project of projects) project.remove();
  }
}

type What = "app" | "asset";

export function titleOf(what: What, count: number | string, when: string): string {
  return `${what === "app" ? "synth of an app" : "its asset alone"}, ${count.toLocaleString("en")} TS, ${when}`;
}

async function measureBoth(
  projects: readonly Project[],
  what: What,
  runs: number,
  once: (project: Project) => Promise<Cost>,
): Promise<readonly Row[]> {
  const first = await takeTurns(projects, runs, async (project) => {
    project.cool();
    return once(project);
  });
  const repeated = await takeTurns(projects, runs, once);
  return projects.flatMap((project) => [
    { work: titleOf(what, project.count, "first"), tool: OURS, ...outcome(first.get(project)) },
    { work: titleOf(what, project.count, "repeated"), tool: OURS, ...outcome(repeated.get(project)) },
  ]);
}

function outcome(of: { readonly costs: readonly Cost[]; readonly failure?: string } | undefined) {
  const { costs = [], failure } = of ?? {};
  return { costs, ...(failure === undefined ? {} : { remark: `failed: ${failure.slice(0, 120)}` }) };
}

function synth({ dir }: Project): Promise<Cost> {
  const args = [SCRIPT, join(DIST, "api", "index.mjs"), join(dir, "migrations"), dir];
  return measure({ file: process.execPath, args, cwd: dir, env: {} });
}

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { runChild } from "../child.ts";
import { DIST } from "../package-copy.ts";
import type { Project } from "../project.ts";

const Made = v.object({ dir: v.string(), hash: v.string(), count: v.number(), wallMs: v.number() });

export type Asset = v.InferOutput<typeof Made>;

/** What the built package deploys for the project's migrations, and how long `buildAssetSync` took to make it. */
export async function makeAsset(project: Project, ca?: string): Promise<Asset> {
  const script = fileURLToPath(new URL("../children/asset.mjs", import.meta.url));
  const bundle = join(DIST, "lib", "bundle", "index.js");
  const args = [
    bundle,
    join(project.dir, "migrations"),
    join(DIST, "handlers"),
    ...(ca === undefined ? [] : [ca]),
  ];
  return v.parse(Made, await runChild([script, ...args]));
}

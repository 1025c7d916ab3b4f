import { createHash } from "node:crypto";

/** Files by their paths in the asset, with `/` between folders. */
export type AssetFiles = ReadonlyMap<string, Uint8Array>;

/** SHA-256 (hex) over names and contents; neither order nor modes nor times count. */
export function hashFiles(files: AssetFiles): string {
  const lines = [...files].map(([path, bytes]) => `${path}\0${sha256(bytes)}\n`);
  return sha256(lines.toSorted().join(""));
}

export function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

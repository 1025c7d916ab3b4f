/** What is deployed to Lambda: compiled migrations with their manifest, and the handlers. */
export { buildAssetSync } from "./build-sync.ts";
export { buildHandlers } from "./handlers.ts";
export type { AssetRequest, BuiltAsset } from "./worker-protocol.ts";

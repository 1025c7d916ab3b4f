/**
 * A folder of migrations → a checked list, digests, compiled files. Runs no migration, knows no database.
 *
 * `openFolder` is what an engine is given; `readFolder` only lists; `createMigration` adds a file; `buildAssetSync`
 * makes what is deployed.
 */
export { buildAssetSync } from "./asset/build-sync.ts";
export { buildHandlers } from "./asset/handlers.ts";
export type { AssetRequest, BuiltAsset } from "./asset/request.ts";
export { type CreatedMigration, type CreateMigrationOptions, createMigration } from "./create/create.ts";
export { MIGRATION_LANGUAGES, type MigrationLanguage } from "./create/templates.ts";
export { type MigrationFolder, type OpenFolderOptions, openFolder } from "./folder.ts";
export { type FolderListing, type ReadFolderOptions, readFolder } from "./listing.ts";

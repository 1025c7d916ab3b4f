/**
 * A folder of migrations: its checked list, digests, compiled modules and new files. Runs no migration, knows no
 * database.
 */
export { defaultCacheDir, nearest, sweep, writeAtomically } from "./cache-dir.ts";
export { modulesOf } from "./compile.ts";
export { declaredContracts, declaredReplacements } from "./contract-text.ts";
export {
  type CreatedMigration,
  type CreateMigrationOptions,
  createFromRecipe,
  createMigration,
  MIGRATION_LANGUAGES,
  type MigrationLanguage,
} from "./create.ts";
export { DigestCache, type MigrationDigest } from "./digest-cache.ts";
export { readDigests } from "./digests.ts";
export { type MigrationFolder, type OpenFolderOptions, openFolder } from "./folder.ts";
export { compileForLambda, exportsFile, FILES } from "./lambda-target.ts";
export { type FolderListing, isJunk, type ReadFolderOptions, readFolder } from "./listing.ts";
export { compiledModule, placeModule } from "./loader.ts";
export type { RecipeValues } from "./recipes/recipe-file.ts";
export { RECIPES, type RecipeName } from "./recipes/recipes.ts";
export { normalizeLines, requireUtf8 } from "./source-text.ts";

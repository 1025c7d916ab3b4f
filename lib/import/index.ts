/** Import: the migrations of other tools as migrations of this one. Reads their folders and tables, and writes files. */
export {
  type ImportedMigration,
  type ImportPlan,
  type ImportRequest,
  planImport,
  requireConverted,
} from "./plan-import.ts";
export { type Query, readToolTable, type TableName, type ToolRows } from "./read-table.ts";
export { openSourceFolder, type SourceFolder } from "./source-folder.ts";
export type { Tool } from "./tool.ts";
export { TOOL_NAMES, toolNamed } from "./tools.ts";
export { existingBaseline, existingNames, writeMigrations } from "./write.ts";

/** Report: what pending migrations will do, as one document, and diagrams of a schema. Renders data; reads no database. */
export { compareSchemas, type Diagram, drawSchema, focusDiagram } from "./diagram.ts";
export { renderHtml } from "./html.ts";
export { renderMarkdown } from "./markdown.ts";
export { renderMermaid } from "./mermaid.ts";
export {
  isReport,
  type MigrationReport,
  type ReportedMigration,
  type ReportSubject,
} from "./model.ts";
export { drawPicture } from "./picture.ts";
export {
  type DatabaseStatus,
  type Part,
  type PartFailure,
  problemsOf,
  type Review,
  type ReviewProblem,
  type ReviewResults,
} from "./review.ts";
export { renderReview } from "./review-page.ts";

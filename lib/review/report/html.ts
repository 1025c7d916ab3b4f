import { getSegments } from "sql-highlight";
import {
  type Finding,
  type HistoryRow,
  type MeasuredMigration,
  measuredFacts,
  TOOL,
} from "../../core/index.ts";
import type { ObjectChange } from "../catalog/index.ts";
import type { LintFinding } from "../lint/index.ts";
import type { Change, Diagram, DiagramTable } from "./diagram.ts";
import {
  isAboutLocks,
  type MigrationReport,
  omittedNote,
  type ReportedMigration,
  scratchOf,
  summaryOf,
  titleOf,
  traitsOf,
} from "./model.ts";
import { STYLE } from "./style.ts";

/** SVG of the diagrams, as `drawPicture` makes it; undefined where it cannot be made. */
export interface Pictures {
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Nothing may be loaded or run, whatever a name or a message contains. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The report as one page for a browser: no script, and nothing from elsewhere. */
export function renderHtml(report: MigrationReport, pictures: Pictures): string {
  const title = titleOf(report);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main>
${overview(report)}
${report.pending.length === 0 ? [] : html`<section><h2>What will run</h2>${report.pending.map(migrationCard)}</section>`}
${schemaSection(report, pictures)}
${historySection(report.history)}
<footer>Made by ${TOOL}. The SQL is shown with its secrets masked.</footer>
</main>
</body>
</html>
`;
  return page.text;
}

function overview(report: MigrationReport): Html {
  const { subject, head, digest, notLinted, refusals, warnings, pending } = report;
  const place =
    subject.kind === "database"
      ? html`Database <b>${subject.database}</b> on <b>${subject.host}</b> as <b>${subject.user}</b>`
      : html`The folder <b>${subject.folder}</b> on ${scratchOf(subject, report)}`;
  const at =
    head === null
      ? "No migration is applied yet."
      : html`The newest applied migration is <code>${head}</code>.`;
  const contents = pending.map(
    ({ name, findings, problem }, index) =>
      html`<li><a href="#m${index + 1}">${name}</a>${worstOf(findings, problem)}</li>`,
  );
  return html`<header>
<p class="eyebrow">Migration report</p>
<h1>${titleOf(report)}</h1>
<p class="lead">${summaryOf(report).map((part) => html`<span>${part}</span>`)}</p>
<p>${place}. ${at}</p>
${digest === null || pending.length === 0 ? [] : html`<p>Digest of the plan: <code>${digest}</code></p>`}
${notLinted === undefined ? [] : note("warning", html`<b>Not linted.</b> ${prose(notLinted)}`)}
${checkNotes("up would refuse", "error", refusals)}${checkNotes("Warning", "warning", warnings)}
${contents.length > 1 ? html`<ol class="contents">${contents}</ol>` : []}
</header>`;
}

function checkNotes(label: string, kind: "error" | "warning", findings: readonly Finding[]): Html[] {
  return findings.map(({ code, message }) => note(kind, html`<b>${label}: ${code}.</b> ${prose(message)}`));
}

function note(kind: "error" | "warning", content: Html): Html {
  return html`<p class="note ${kind}">${content}</p>`;
}

/** A mark in the list of contents for what needs attention. */
function worstOf(findings: readonly LintFinding[], problem: string | undefined): Html | readonly Html[] {
  if (problem !== undefined) return html` <span class="tag error">fails</span>`;
  const [first] = findings.toSorted((a, b) => a.severity.localeCompare(b.severity));
  return first === undefined ? [] : html` <span class="tag ${first.severity}">${first.severity}</span>`;
}

function migrationCard(migration: ReportedMigration, index: number): Html {
  const { name, sql, changes = [], findings, measured, problem } = migration;
  return html`<article id="m${index + 1}">
<h3><span class="number">${index + 1}</span> ${name}</h3>
<p class="traits">${traitsOf(migration).join(" · ")}</p>
${problem === undefined ? [] : note("error", html`${prose(problem)}`)}
${changes.length === 0 ? [] : html`<ul class="changes">${changes.map(changeLine)}</ul>`}
${findings.length === 0 ? [] : html`<ul class="findings">${findings.map(findingLine)}</ul>`}
${measured === undefined ? [] : measuredList(measured)}
${sqlBlock(sql)}
</article>`;
}

function changeLine({ kind, name, change }: ObjectChange): Html {
  return html`<li>${tag(change)} ${kind} <code>${name}</code></li>`;
}

function tag(change: Change | undefined): Html | readonly Html[] {
  return change === undefined ? [] : html`<span class="tag ${change}">${change}</span>`;
}

function findingLine(finding: LintFinding): Html {
  const { severity, rule, file, line, message, help } = finding;
  const place = line === undefined ? file : `${file}:${line}`;
  return html`<li class="${severity}"><p><span class="tag ${severity}">${severity}</span>${
    isAboutLocks(finding) ? html` <span class="tag lock">lock</span>` : []
  } <b>${rule}</b> <code>${place}</code></p><p>${prose(message)}</p><p class="help">${prose(help)}</p></li>`;
}

/** Text in which what is between backticks is code. */
function prose(text: string): Html[] {
  return text
    .split(/`([^`]+)`/)
    .map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`));
}

function measuredList(measured: MeasuredMigration): Html {
  const facts = measuredFacts(measured).map((fact) => html`<li>${prose(fact)}</li>`);
  return html`<p class="help">Measured on this database, and rolled back:</p><ul class="changes">${facts}</ul>`;
}

function sqlBlock(sql: readonly string[] | null): Html {
  if (sql === null) return html`<p class="help">Its SQL is not known before it runs.</p>`;
  const text = sql.map((part) => part.trim()).join("\n");
  if (text === "") return html`<p class="help">No SQL.</p>`;
  const segments = getSegments(text).map(({ name, content }) =>
    name === "whitespace" ? html`${content}` : html`<span class="${name}">${content}</span>`,
  );
  return html`<pre tabindex="0"><code>${segments}</code></pre>`;
}

function schemaSection({ schema, pending }: MigrationReport, pictures: Pictures): Html {
  const { before, after, problem } = schema;
  const heading = pending.length === 0 ? "Schema" : after === undefined ? "Schema now" : "Schema after";
  const now = after === undefined ? diagram(before, pictures.before) : diagram(after, pictures.after);
  const hasOld = after !== undefined && pending.length > 0 && before.tables.length > 0;
  return html`<section><h2>${heading}</h2>
${problem === undefined ? [] : note("warning", html`${prose(problem)}`)}
${now}
${hasOld ? html`<details><summary>Schema before</summary>${diagram(before, pictures.before)}</details>` : []}
</section>`;
}

function diagram(drawn: Diagram, picture: string | undefined): Html {
  const omitted = omittedNote(drawn);
  const rest = omitted === undefined ? [] : html`<p class="help">${omitted}</p>`;
  if (drawn.tables.length === 0) return html`<p class="help">No tables.</p>`;
  if (picture !== undefined) {
    const label = "Entity-relationship diagram";
    return html`<div class="erd" tabindex="0" role="region" aria-label="${label}">${new Html(picture)}</div>${rest}`;
  }
  return html`<p class="help">The tables are listed because the diagram needs a package that is not installed: <code>npm install --save-dev @hpcc-js/wasm-graphviz</code></p>
<div class="tables">${drawn.tables.map((table) => tableCard(table, drawn))}</div>${rest}`;
}

function tableCard({ name, change, columns }: DiagramTable, { relationships }: Diagram): Html {
  const rows = columns.map((column) => {
    const key = relationships.find((one) => one.source === name && one.columns.includes(column.name));
    const keys = [...(column.primary ? ["PK"] : []), ...(key === undefined ? [] : [`→ ${key.target}`])].join(
      " ",
    );
    return html`<tr><td>${column.name} ${tag(column.change)}</td><td>${column.type}${column.nullable ? "?" : ""}</td><td>${keys}</td></tr>`;
  });
  return html`<div class="table"><h4>${name} ${tag(change)}</h4><table>${rows}</table></div>`;
}

function historySection(history: readonly HistoryRow[]): Html | readonly Html[] {
  if (history.length === 0) return [];
  const entries = history.map(
    ({ at, action, migration, state, durationMs, actor, errorCode, note: remark }) => {
      const took = durationMs === null ? "" : ` in ${Math.round(durationMs)} ms`;
      const result = state === "failed" ? `failed ${errorCode ?? ""}`.trim() : state;
      return html`<li class="${state}"><p><time datetime="${at}">${at.slice(0, 16).replace("T", " ")} UTC</time></p>
<p><b>${action}</b> <code>${migration}</code></p><p class="help">${result}${took} · ${actor}${remark === null ? "" : ` · ${remark}`}</p></li>`;
    },
  );
  return html`<section><h2>History</h2><ol class="timeline">${entries}</ol></section>`;
}

/** Text that is HTML already. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Html | readonly Html[];

/** A template of HTML: what it is given as text is escaped, for contents and for quoted attributes. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.map((text, index) => text + render(parts[index])).join(""));
}

function render(part: Part | undefined): string {
  if (part === undefined) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "string" || typeof part === "number") return escapeText(String(part));
  return part.map(render).join("");
}

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

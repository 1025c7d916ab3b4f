import { PICTURE_COLORS } from "./dot.ts";

const LIGHT = `
--page:#f7f8fa;--panel:#ffffff;--ink:#20262f;--muted:#586271;--line:#dfe3e9;--accent:#2f5b93;--code:#f2f4f7;
--good:#1b6840;--good-bg:#e2f2e8;--warn:#7d4e00;--warn-bg:#fcf0d6;--bad:#a1282c;--bad-bg:#fbe6e6;--lock:#5a3d8a;--lock-bg:#eee8f8;
--sql-keyword:#2a5394;--sql-string:#1f6b3e;--sql-number:#8a4b08;--sql-function:#6a3a92;--sql-comment:#5f6874;--head:#eef1f5;--edge:#6b7686;`;

const DARK = `
--page:#13161b;--panel:#1a1e25;--ink:#e3e7ed;--muted:#9ca7b6;--line:#2d343f;--accent:#8db8ef;--code:#12151a;
--good:#83d3a2;--good-bg:#16301f;--warn:#e8b964;--warn-bg:#352710;--bad:#f29a9a;--bad-bg:#3a1c1e;--lock:#c6aef2;--lock-bg:#2b2240;
--sql-keyword:#8db8ef;--sql-string:#8fd0a5;--sql-number:#e3b06b;--sql-function:#cdaef5;--sql-comment:#939eac;--head:#252b35;--edge:#7e8a9b;`;

const PICTURE = `
--erd-ink:var(--ink);--erd-muted:var(--muted);--erd-line:var(--line);--erd-panel:var(--panel);--erd-head:var(--head);--erd-edge:var(--edge);
--erd-new:var(--good-bg);--erd-new-ink:var(--good);--erd-changed:var(--warn-bg);--erd-changed-ink:var(--warn);
--erd-dropped:var(--bad-bg);--erd-dropped-ink:var(--bad);`;

const RECOLORED = Object.entries(PICTURE_COLORS)
  .map(
    ([name, hex]) =>
      `.erd [fill="${hex}"]{fill:var(--erd-${name})}.erd [stroke="${hex}"]{stroke:var(--erd-${name})}`,
  )
  .join("\n");

/** The style sheet of the page. Colours follow the theme of the reader; nothing is wider than a phone. */
export const STYLE = `
:root{${LIGHT}${PICTURE}color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
main{max-width:60rem;margin:0 auto;padding:3rem 1.5rem}
h1{font-size:2rem;line-height:1.2;letter-spacing:-.02em;margin:0 0 .75rem}
h2{font-size:1.25rem;letter-spacing:-.01em;margin:3rem 0 1rem}
h3{font:600 1rem/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;margin:0}
h4{font-size:.9375rem;margin:0 0 .5rem}
p{margin:0 0 .5rem}
a{color:var(--accent)}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.875em}
.eyebrow{color:var(--muted);font-size:.8125rem;font-weight:600;letter-spacing:.06em;text-transform:uppercase;margin-bottom:.25rem}
.lead{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:1.125rem;font-weight:600}
.contents{margin:1.25rem 0 0;padding-left:1.5rem;font-size:.9375rem}
.contents li::marker{color:var(--muted)}
.traits,.help,footer,time{color:var(--muted);font-size:.875rem}
article,.erd,.table{background:var(--panel);border:1px solid var(--line);border-radius:.625rem}
article{padding:1.25rem;margin-bottom:1rem}
.number{color:var(--muted);font-weight:400;margin-right:.25rem}
.tag{display:inline-block;font:600 .75rem/1.5 system-ui,sans-serif;padding:0 .5rem;border-radius:1rem;background:var(--head);color:var(--muted);vertical-align:.08em}
.tag.new{background:var(--good-bg);color:var(--good)}
.tag.changed,.tag.warning{background:var(--warn-bg);color:var(--warn)}
.tag.dropped,.tag.error{background:var(--bad-bg);color:var(--bad)}
.tag.lock{background:var(--lock-bg);color:var(--lock)}
.note{padding:.625rem .875rem;border-radius:.5rem;font-size:.9375rem;margin:.75rem 0}
.note.error{background:var(--bad-bg);color:var(--bad)}
.note.warning{background:var(--warn-bg);color:var(--warn)}
.changes,.findings{list-style:none;padding:0;margin:.75rem 0;font-size:.9375rem}
.changes li{margin:.125rem 0}
.findings li{border-left:3px solid var(--warn);padding:.125rem 0 .125rem .875rem;margin:.75rem 0}
.findings li.error{border-color:var(--bad)}
.findings p{margin:0 0 .25rem}
pre{background:var(--code);border:1px solid var(--line);border-radius:.5rem;padding:.875rem 1rem;margin:.75rem 0 0;overflow-x:auto;overflow-wrap:normal;line-height:1.55;tab-size:2}
pre .keyword{color:var(--sql-keyword);font-weight:600}
pre .string{color:var(--sql-string)}
pre .number{color:var(--sql-number);margin:0}
pre .function{color:var(--sql-function)}
pre .comment{color:var(--sql-comment);font-style:italic}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.875rem}
td,th{text-align:left;padding:.125rem 1rem .125rem 0;vertical-align:top}
th,td+td{color:var(--muted);font-weight:400}
.erd{overflow-x:auto;padding:1rem}
.erd svg{display:block;margin:0 auto}
.erd text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
${RECOLORED}
.tables{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:1rem}
.table{padding:1rem;overflow-x:auto}
details{margin-top:1rem}
summary{cursor:pointer;color:var(--accent);margin-bottom:.75rem}
.timeline{list-style:none;margin:0;padding:0 0 0 1.25rem;border-left:2px solid var(--line)}
.timeline li{position:relative;margin-bottom:1.25rem}
.timeline li::before{content:"";position:absolute;left:calc(-1.25rem - 6px);top:.45rem;width:10px;height:10px;border-radius:50%;background:var(--good);box-shadow:0 0 0 3px var(--page)}
.timeline li.failed::before{background:var(--bad)}
.timeline li.started::before{background:var(--warn)}
.timeline p{margin:0}
footer{margin-top:3rem;padding-top:1rem;border-top:1px solid var(--line)}
@media (max-width:40rem){main{padding:1.5rem 1rem}h1{font-size:1.5rem}h2{margin-top:2rem}article{padding:1rem}}
@media print{body{background:none}article,.erd{break-inside:avoid}}
`;

// The licences of the packages that are bundled into the published files.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;

/** One text for what esbuild's metafiles name; their paths start at `from`. */
export function licencesOf(metafiles) {
  const folders = metafiles.flatMap(({ metafile, from }) =>
    Object.values(metafile.outputs)
      .flatMap(({ inputs }) => Object.keys(inputs))
      .flatMap((input) => PACKAGE.exec(resolve(from, input).replaceAll("\\", "/")) ?? []),
  );
  const byText = groupByText([...new Set(folders)].sort().map(describe));
  const sections = [...byText].map(([text, packages]) =>
    [...packages.map(({ title }) => title), "", text].join("\n"),
  );
  const line = `\n\n${"-".repeat(80)}\n\n`;
  return `${["Inside the files of this folder is code of these packages.", ...sections].join(line)}\n`;
}

function describe(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? `Licence: ${license}` : readFileSync(join(folder, file), "utf8").trim();
  return { title: `${name} ${version}`, text };
}

function groupByText(packages) {
  const groups = new Map();
  for (const one of packages) groups.set(one.text, [...(groups.get(one.text) ?? []), one]);
  return groups;
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { Template } from "aws-cdk-lib/assertions";
import { AppStack } from "../../lib/app-stack.ts";
import { newApp } from "../constructs/synth.ts";
import { codeSpans, REPOSITORY, readPage, section, sourceOf, tableRows } from "./markdown.ts";

const page = readPage("docs/deploying.md");
const plain = (text: string): string => text.replaceAll("`", "");

test("every camelCase name in docs/deploying.md and docs/runbook.md exists in the code", () => {
  const source = sourceOf("lib") + sourceOf("lambda");
  const names = [page, readPage("docs/runbook.md")].flatMap(({ text }) =>
    codeSpans(text).filter((span) => /^[a-z]+[A-Z]\w*$/.test(span)),
  );
  expect(names.length).toBeGreaterThan(15);
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(source))).toEqual([]);
});

describe("the tables agree with the template", () => {
  const templateOf = (profile: "dev" | "prod") =>
    Template.fromStack(new AppStack(newApp({ analyticsReporting: false }), "app", { profile }));
  const dev = templateOf("dev");
  const prod = templateOf("prod");
  const typesIn = (template: Template): string[] =>
    Object.values<{ readonly Type: string }>(template.toJSON()["Resources"]).map(({ Type }) => Type);

  test.each([
    ["dev", dev],
    ["prod", prod],
  ] as const)("docs/deploying.md has the number of resources in %s", (profile, template) => {
    const made = section(page.text, "Resources");
    const cells = tableRows(made.split("### Outputs")[0] ?? "").map(([, cell = ""]) => cell);
    const counts = cells.map((cell) => {
      const own = profile === "prod" ? /prod: (\d+)/.exec(cell) : null;
      return Number((own ?? /^(\d+)/.exec(cell))?.[1]);
    });
    const count = typesIn(template).length;
    expect(counts.reduce((sum, number) => sum + number, 0)).toBe(count);
    expect(made).toMatch(profile === "dev" ? `has ${count} resources` : `${count} in \`prod\``);
  });

  test("docs/deploying.md has permissions for every service of the stack", () => {
    const documented = tableRows(section(page.text, "Permissions")).map(([service = ""]) => service);
    const services = [dev, prod].flatMap(typesIn).flatMap((type) => /^AWS::(\w+)::/.exec(type)?.[1] ?? []);
    expect(services.length).toBeGreaterThan(0);
    expect([...new Set(services)].filter((service) => !documented.includes(service))).toEqual([]);
  });

  test("docs/deploying.md has every output of the stack", () => {
    const outputsOf = (template: Template) => Object.keys(template.toJSON()["Outputs"]).toSorted();
    const documented = tableRows(section(page.text, "Outputs"))
      .flatMap(([names = ""]) => plain(names).split(", "))
      .toSorted();
    expect(documented).toEqual(outputsOf(dev));
    expect(documented.filter((name) => name !== "DownCommand")).toEqual(outputsOf(prod));
  });
});

test.each([1, 2])("column %i of the cost table in docs/deploying.md adds up", (column) => {
  const cells = tableRows(section(page.text, "Cost")).map((row) => row[column] ?? "");
  const amounts = cells.map((cell) => Number(cell.split("= ").at(-1)));
  const total = amounts.pop();
  for (const cell of cells) {
    const [, factors, result] = /((?:[\d.]+(?: GB)? × )+[\d.]+).* = ([\d.]+)$/.exec(cell) ?? [];
    if (factors === undefined) continue;
    const product = factors.split(" × ").reduce((value, factor) => value * Number.parseFloat(factor), 1);
    expect([cell, product]).toEqual([cell, expect.closeTo(Number(result), 2)]);
  }
  expect(amounts.reduce((sum, amount) => sum + amount, 0)).toBeCloseTo(Number(total), 2);
});

test("the CDK CLI has the same exact version everywhere", () => {
  const version = "2.1148.1";
  for (const path of ["package.json", "examples/own-database/package.json", "examples/fleet/package.json"]) {
    const { devDependencies } = JSON.parse(readFileSync(join(REPOSITORY, path), "utf8"));
    expect(devDependencies["aws-cdk"]).toBe(version);
  }
  expect(page.text).toContain(`\`aws-cdk\` ${version}`);
});

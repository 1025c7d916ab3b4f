// Writes docs/constructs.md from the docstrings of the public constructs: `npm run docs`. With `--stdout` it prints the
// page instead.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const PAGE = join(root, "docs", "constructs.md");
const WIDTH = 120;

const INTRODUCTION = `# Constructs

<!-- Made by \`npm run docs\` from the docstrings in lib/constructs. Edit those. -->

The constructs that the package exports, and all their props. [Deploying](deploying.md) shows how to use them.`;

const MIGRATIONS = ["postgres-migrations.ts", "PostgresMigrations"];
const FLEET = ["postgres-migrations-fleet.ts", "PostgresMigrationsFleet"];
const DATABASE = ["postgres-database.ts", "PostgresDatabase"];
const ROLE = ["postgres-role.ts", "PostgresRole"];
const VALIDATION = ["migrations-validation.ts", "PostgresMigrationsValidation"];

const page = [
  INTRODUCTION,
  ["## PostgresMigrations", description(...MIGRATIONS)],
  ["### PostgresMigrationsProps", whole("postgres-migrations-props.ts", "PostgresMigrationsProps")],
  ["### MigrationsProps", whole("postgres-migrations-props.ts", "MigrationsProps")],
  ["### EngineProps", whole("postgres-migrations-props.ts", "EngineProps")],
  ["### PostgresEndpoint", whole("postgres-migrations-props.ts", "PostgresEndpoint")],
  ["### Members of PostgresMigrations", members(...MIGRATIONS)],
  ["## PostgresMigrationsFleet", description(...FLEET)],
  [
    "### PostgresMigrationsFleetProps",
    whole("postgres-migrations-fleet-props.ts", "PostgresMigrationsFleetProps"),
  ],
  ["### FleetTargets", whole("fleet-targets.ts", "FleetTargets")],
  ["### FleetQuery", whole("fleet-targets.ts", "FleetQuery")],
  ["### FleetListTarget", whole("fleet-targets.ts", "FleetListTarget")],
  ["### FleetTargetsObject", whole("fleet-targets.ts", "FleetTargetsObject")],
  ["### FleetSecretTag", whole("fleet-targets.ts", "FleetSecretTag")],
  ["### Members of PostgresMigrationsFleet", members(...FLEET)],
  ["## PostgresDatabase", description(...DATABASE)],
  ["### PostgresDatabaseProps", whole("postgres-database-props.ts", "PostgresDatabaseProps")],
  ["### Members of PostgresDatabase", members(...DATABASE)],
  ["## PostgresRole", description(...ROLE)],
  ["### PostgresRoleProps", whole("postgres-role.ts", "PostgresRoleProps")],
  ["### Members of PostgresRole", members(...ROLE)],
  ["## PostgresMigrationsValidation", description(...VALIDATION)],
  [
    "### PostgresMigrationsValidationProps",
    whole("migrations-validation.ts", "PostgresMigrationsValidationProps"),
  ],
]
  .flat(2)
  .join("\n\n");

if (process.argv.includes("--stdout")) process.stdout.write(`${page}\n`);
else writeFileSync(PAGE, `${page}\n`);

function declarationIn(file, name) {
  const path = join(root, "lib", "constructs", file);
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);
  const found = source.statements.find((statement) => statement.name?.text === name);
  if (found === undefined) throw new Error(`${file} has no ${name}`);
  return found;
}

function docOf(node, name) {
  const doc = node.jsDoc?.at(-1);
  const text = ts.getTextOfJSDocComment(doc?.comment);
  if (text === undefined || text === "") throw new Error(`${name} has no docstring`);
  return { text, tags: doc.tags ?? [] };
}

function tagsNamed(tags, name) {
  const named = tags.filter(({ tagName }) => tagName.text === name);
  return named.map(({ comment }) => ts.getTextOfJSDocComment(comment));
}

function wrap(text, indent) {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1);
    if (line !== "" && indent.length + line.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.join(`\n${indent}`);
}

/** Name and type; of a long type only its name. */
function signature(member) {
  const name = member.name.getText();
  if (ts.isMethodDeclaration(member)) {
    return `${name}(${member.parameters.map((parameter) => parameter.getText()).join(", ")})`;
  }
  const type = (member.type?.getText() ?? "").replace(/\s+/g, " ").replaceAll("readonly ", "");
  return `${name}: ${type.length > 60 ? type.replace(/<.*/, "<…>") : type}`;
}

function item(member) {
  const name = member.name.getText();
  const { text, tags } = docOf(member, name);
  const [fallback] = tagsNamed(tags, "default");
  if (member.questionToken !== undefined && fallback === undefined)
    throw new Error(`${name} has no @default`);
  const isProp = ts.isPropertySignature(member);
  const byDefault = fallback === undefined ? "Required." : `Default: ${fallback.replace(/^- /, "")}.`;
  return `- ${wrap(`**\`${signature(member)}\`** ${text}${isProp ? ` _${byDefault}_` : ""}`, "  ")}`;
}

function isPublic(member) {
  const flags = ts.getCombinedModifierFlags(member);
  const isInternal = ts.getJSDocTags(member).some(({ tagName }) => tagName.text === "internal");
  return !ts.isConstructorDeclaration(member) && !isInternal && (flags & ts.ModifierFlags.Private) === 0;
}

function description(file, name) {
  const { text, tags } = docOf(declarationIn(file, name), name);
  const examples = tagsNamed(tags, "example").map((code) => `\`\`\`ts\n${code}\n\`\`\``);
  return [...text.split(/\n\s*\n/).map((paragraph) => wrap(paragraph, "")), ...examples];
}

function members(file, name) {
  return declarationIn(file, name).members.filter(isPublic).map(item).join("\n");
}

function whole(file, name) {
  return [...description(file, name), members(file, name)];
}

import type { AnyNode, Expression, Function as FunctionNode, Pattern } from "acorn";
import { joinStatements, section } from "./sql-text.ts";
import { type SqlContent, sqlContent, type Unconvertible, unconvertible } from "./tool.ts";

/**
 * Converts a migration in JavaScript or TypeScript whose `up` and `down` do nothing but send constant SQL, one statement
 * after the other. The code is parsed and never run; anything else in a function makes it unconvertible.
 * @param senders calls that send SQL, below the parameter of `up`: `raw` for `knex.raw("…")`
 */
export async function convertCode(
  source: { readonly text: string; readonly file: string },
  senders: readonly string[],
): Promise<SqlContent | Unconvertible> {
  const program = await parseModule(source);
  if (program === undefined) return unconvertible("its code cannot be parsed");
  const functions = { up: findFunctions(program, "up"), down: findFunctions(program, "down") };
  const [up, secondUp] = functions.up;
  const [down, secondDown] = functions.down;
  if (up === undefined) return unconvertible("no function up is found in its code");
  if (secondUp !== undefined || secondDown !== undefined)
    return unconvertible("it has several functions of the same name");
  const upSql = readBody(up, senders);
  const downSql = down === undefined ? [] : readBody(down, senders);
  const other = upSql === undefined ? "up" : downSql === undefined ? "down" : undefined;
  if (upSql === undefined || downSql === undefined)
    return unconvertible(`its ${other} does more than send constant SQL`);
  const transactional = readTransactionSetting(program);
  if (transactional === undefined) return unconvertible("its transaction setting is not a constant");
  const [upText, downText] = [joinStatements(upSql), joinStatements(downSql)];
  return sqlContent(section(upText, transactional), section(downText, transactional));
}

async function parseModule({
  text,
  file,
}: {
  readonly text: string;
  readonly file: string;
}): Promise<AnyNode | undefined> {
  // Other commands need neither.
  const [{ parse }, { transform }] = [await import("acorn"), await import("esbuild")];
  try {
    const loader = /\.[cm]?ts$/.test(file) ? "ts" : "js";
    const { code } = await transform(text, { loader, target: "esnext", logLevel: "silent" });
    return parse(code, { ecmaVersion: "latest", sourceType: "module", allowReturnOutsideFunction: true });
  } catch {
    return undefined;
  }
}

/** Every node below one, itself included. */
function* nodesOf(node: AnyNode): Generator<AnyNode> {
  yield node;
  for (const value of Object.values(node)) {
    const children: readonly unknown[] = Array.isArray(value) ? value : [value];
    for (const child of children) if (isNode(child)) yield* nodesOf(child);
  }
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

/** Functions that a module exports, or a class has, under a name, however that is written. */
function findFunctions(program: AnyNode, name: string): readonly FunctionNode[] {
  return [...nodesOf(program)].flatMap((node) => {
    switch (node.type) {
      case "FunctionDeclaration":
        return node.id?.name === name ? [node] : [];
      case "VariableDeclarator":
        return node.id.type === "Identifier" && node.id.name === name ? asFunction(node.init) : [];
      case "AssignmentExpression":
        return node.left.type === "MemberExpression" && nameOf(node.left.property) === name
          ? asFunction(node.right)
          : [];
      case "Property":
      case "MethodDefinition":
      case "PropertyDefinition":
        return !node.computed && nameOf(node.key) === name ? asFunction(node.value) : [];
      default:
        return [];
    }
  });
}

function nameOf(node: AnyNode): string | undefined {
  if (node.type === "Identifier") return node.name;
  return node.type === "Literal" && typeof node.value === "string" ? node.value : undefined;
}

function asFunction(node: AnyNode | null | undefined): readonly FunctionNode[] {
  return node?.type === "FunctionExpression" || node?.type === "ArrowFunctionExpression" ? [node] : [];
}

/** The SQL that a function sends; undefined if it does anything else. */
function readBody({ params, body }: FunctionNode, senders: readonly string[]): string[] | undefined {
  const paths = pathsBelow(params[0], senders);
  if (body.type !== "BlockStatement") return readCall(body, paths);
  const statements: string[] = [];
  for (const statement of body.body) {
    if (statement.type === "EmptyStatement") continue;
    const isReturn = statement.type === "ReturnStatement";
    if (!isReturn && statement.type !== "ExpressionStatement") return undefined;
    const expression = isReturn ? statement.argument : statement.expression;
    // A promise that nobody waits for may end in any order.
    if (expression == null || !(isReturn || expression.type === "AwaitExpression")) return undefined;
    const sql = readCall(expression, paths);
    if (sql === undefined) return undefined;
    statements.push(...sql);
    if (isReturn) return statement === body.body.at(-1) ? statements : undefined;
  }
  return statements;
}

/** The senders as the function can write them: below its parameter, or below the parts into which it takes that apart. */
function pathsBelow(parameter: Pattern | undefined, senders: readonly string[]): string[] {
  if (parameter?.type === "Identifier") return senders.map((sender) => `${parameter.name}.${sender}`);
  if (parameter?.type !== "ObjectPattern") return [];
  return parameter.properties.flatMap((part) => {
    if (part.type !== "Property" || part.computed) return [];
    const prefix = `${nameOf(part.key)}.`;
    const below = senders.filter((sender) => sender.startsWith(prefix));
    return pathsBelow(
      part.value,
      below.map((sender) => sender.slice(prefix.length)),
    );
  });
}

/** `await knex.raw("…")`, or a chain of calls such as `knex.schema.raw("…").raw("…")`. */
function readCall(node: Expression, paths: readonly string[]): string[] | undefined {
  if (node.type === "AwaitExpression") return readCall(node.argument, paths);
  if (node.type !== "CallExpression" || node.callee.type !== "MemberExpression") return undefined;
  const [argument, second] = node.arguments;
  if (argument === undefined || second !== undefined || argument.type === "SpreadElement") return undefined;
  const sql = constantText(argument);
  if (sql === undefined) return undefined;
  const { object, property } = node.callee;
  if (paths.includes(pathOf(node.callee))) return [sql];
  if (object.type !== "CallExpression" || nameOf(property) !== "raw") return undefined;
  const before = readCall(
    object,
    paths.filter((path) => path.endsWith(".schema.raw")),
  );
  return before === undefined ? undefined : [...before, sql];
}

function pathOf(node: AnyNode): string {
  if (node.type === "Identifier") return node.name;
  if (node.type !== "MemberExpression" || node.computed || node.optional) return "";
  return `${pathOf(node.object)}.${nameOf(node.property) ?? ""}`;
}

function constantText(node: AnyNode): string | undefined {
  if (node.type === "Literal") return typeof node.value === "string" ? node.value : undefined;
  if (node.type === "TemplateLiteral")
    return node.expressions.length === 0 ? (node.quasis[0]?.value.cooked ?? undefined) : undefined;
  if (node.type !== "BinaryExpression" || node.operator !== "+") return undefined;
  const [left, right] = [constantText(node.left), constantText(node.right)];
  return left === undefined || right === undefined ? undefined : left + right;
}

/** `transaction: false` of a configuration, or of a class; undefined for anything but true and false. */
function readTransactionSetting(program: AnyNode): boolean | undefined {
  const values = [...nodesOf(program)].flatMap((node) => {
    if (node.type !== "Property" && node.type !== "PropertyDefinition") return [];
    if (nameOf(node.key) !== "transaction" || node.value === undefined) return [];
    return [node.value?.type === "Literal" ? node.value.value : undefined];
  });
  if (values.some((value) => typeof value !== "boolean")) return undefined;
  return !values.includes(false);
}

import { Stack, Stage } from "aws-cdk-lib";
import type { Construct, IConstruct } from "constructs";
import { DEFAULTS } from "../../lambda/contract.ts";
import { constructError } from "./construct-error.ts";

/** The constructs of each app by the table that they keep their records in. */
const KNOWN = new WeakMap<IConstruct, Map<string, Construct>>();

/** Where a construct keeps its records. A host that is a token is the same text wherever the same database is meant. */
export interface RecordsLocation {
  readonly host: string;
  readonly port: string;
  readonly databaseName: string;
  /** JSON of the options that differ from their defaults. */
  readonly options: string;
}

/**
 * Two folders that share one table would take each other's migrations for their own.
 * @throws Error naming the other construct
 */
export function requireOnePerDatabase(scope: Construct, location: RecordsLocation): void {
  const { root } = scope.node;
  const known = KNOWN.get(root) ?? new Map<string, Construct>();
  KNOWN.set(root, known);
  const { account, region } = Stack.of(scope);
  // The same private name may lead to another server in another account or region, which a stage may not know yet.
  const stage = Stage.of(scope)?.node.path ?? "";
  const key = JSON.stringify([account, region, stage, ...tableOf(location)]);
  const other = known.get(key);
  if (other !== undefined) {
    throw constructError(
      scope,
      `${other.node.path} already runs migrations on this database, with the same table of applied ones: give one of ` +
        "them a `schema` or a `migrationsTable` of its own, or put both folders together",
    );
  }
  known.set(key, scope);
}

function tableOf({ host, port, databaseName, options }: RecordsLocation): readonly unknown[] {
  const parsed: unknown = JSON.parse(options);
  const option = (name: string): unknown =>
    typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, name) : undefined;
  const schemas = option("schema");
  const [first = DEFAULTS.schema] = Array.isArray(schemas) ? schemas : [];
  const schema = option("migrationsSchema") ?? first;
  return [host, port, databaseName, schema, option("migrationsTable") ?? DEFAULTS.migrationsTable];
}

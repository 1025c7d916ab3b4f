import { isIP } from "node:net";
import { ArnFormat, Reference, Stack, Stage, Token, Tokenization } from "aws-cdk-lib";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as rds from "aws-cdk-lib/aws-rds";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import type { Construct, IConstruct } from "constructs";
import { DEFAULTS } from "../../lambda/contract.ts";
import { given } from "../core/index.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import type { MigrationsDatabase, MigrationsProps, PostgresEndpoint } from "./postgres-migrations-props.ts";
import { checkCertificates, constructError } from "./validation.ts";

/** What the functions need to know about a database of any kind. */
export interface DatabaseTarget {
  readonly host: string;
  /** May be a token. */
  readonly port: number;
  readonly ca?: string;
  /** Security groups of the database; empty if none is known. */
  readonly securityGroups: readonly ec2.ISecurityGroup[];
  readonly secret?: secretsmanager.ISecret;
  /**
   * Allows the grantee to connect as the user with a token, and turns IAM authentication on if the database is made in
   * this app. Absent if the resource id of the database is not known.
   */
  readonly grantConnect?: (grantee: iam.IGrantable, user: string) => void;
  readonly databaseName?: string;
  /** What a snapshot can be made of; absent if the identifier of the instance or cluster is not known. */
  readonly snapshotSource?: SnapshotSource;
  /** Resources that must exist before a function can connect; empty for an imported database. */
  readonly needs: readonly IConstruct[];
}

export interface SnapshotSource {
  readonly kind: "instance" | "cluster";
  readonly identifier: string;
}

export const POSTGRES_PORT = 5432;
const POSTGRES_ENGINES = ["postgres", "aurora-postgresql"];

/** @throws Error for an RDS Proxy, a read replica, another engine than Postgres, or an invalid endpoint */
export function databaseTarget(scope: Construct, database: MigrationsDatabase): DatabaseTarget {
  const target = targetOf(scope, database);
  if (isProxy(target.host)) throw proxyError(scope, target.host);
  if (isReplica(database, target.host)) {
    throw constructError(
      scope,
      "the migrations cannot run on a read replica, which refuses to write: give the instance it replicates, or the cluster",
    );
  }
  return target;
}

/** @throws Error if neither the props nor the database say it */
export function databaseNameOf(
  scope: Construct,
  props: Pick<MigrationsProps, "databaseName">,
  target: DatabaseTarget,
): string {
  const name = props.databaseName ?? target.databaseName;
  if (name !== undefined && name !== "") return name;
  throw constructError(scope, "databaseName is required: it is not known for this database");
}

function targetOf(scope: Construct, database: MigrationsDatabase): DatabaseTarget {
  if (database instanceof PostgresDatabase) {
    const { instance, databaseName } = database;
    return { ...instanceTarget(scope, instance), databaseName };
  }
  // The type excludes it, but JavaScript does not.
  if ("dbProxyArn" in database) throw proxyError(scope, "an rds.DatabaseProxy");
  if ("instanceEndpoint" in database) return instanceTarget(scope, database);
  if ("clusterEndpoint" in database) return clusterTarget(scope, database);
  if ("host" in database) return endpointTarget(scope, database);
  throw constructError(
    scope,
    "database must be a PostgresDatabase, an IDatabaseInstance, an IDatabaseCluster, or an object with the `host` to connect to",
  );
}

function instanceTarget(scope: Construct, database: rds.IDatabaseInstance): DatabaseTarget {
  checkEngine(scope, database.engine?.engineType);
  const { hostname, port } = database.instanceEndpoint;
  const grantConnect =
    database.instanceResourceId === undefined
      ? undefined
      : (grantee: iam.IGrantable, user: string) => void database.grantConnect(grantee, user);
  const snapshotSource = { kind: "instance", identifier: database.instanceIdentifier } as const;
  return { host: hostname, port, snapshotSource, ...common(database), ...given({ grantConnect }) };
}

function clusterTarget(scope: Construct, database: rds.IDatabaseCluster): DatabaseTarget {
  checkEngine(scope, database.engine?.engineType);
  const { hostname, port } = database.clusterEndpoint;
  const grantConnect = hasResourceId(database)
    ? (grantee: iam.IGrantable, user: string) => {
        enableIamAuthentication(scope, database.node.defaultChild);
        database.grantConnect(grantee, user);
      }
    : undefined;
  const snapshotSource = { kind: "cluster", identifier: database.clusterIdentifier } as const;
  return { host: hostname, port, snapshotSource, ...common(database), ...given({ grantConnect }) };
}

/** CDK does this for an instance when it grants, but not for a cluster. */
function enableIamAuthentication(scope: Construct, resource: IConstruct | undefined): void {
  if (!(resource instanceof rds.CfnDBCluster)) return;
  if (resource.enableIamDatabaseAuthentication === false) {
    throw constructError(
      scope,
      '`authentication: "iam"` needs a cluster with IAM authentication: remove `iamAuthentication: false`',
    );
  }
  resource.enableIamDatabaseAuthentication = true;
}

/** An imported cluster throws when it is asked for the id that it was not given. */
function hasResourceId(database: rds.IDatabaseCluster): boolean {
  try {
    return database.clusterResourceIdentifier !== undefined;
  } catch {
    return false;
  }
}

function common(database: rds.IDatabaseInstance | rds.IDatabaseCluster) {
  const secret = "secret" in database && isSecret(database.secret) ? database.secret : undefined;
  const databaseName = nameOf(database.node.defaultChild);
  return {
    securityGroups: database.connections.securityGroups,
    needs: [...resourceOf(database), ...instancesOf(database)],
    ...given({ secret, databaseName }),
  };
}

function endpointTarget(scope: Construct, endpoint: PostgresEndpoint): DatabaseTarget {
  const { host, port = POSTGRES_PORT, ca, securityGroup, resourceId } = endpoint;
  if (!Token.isUnresolved(host) && isIP(host) === 0 && !/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(host)) {
    // The host is not repeated: a URL may contain a password.
    throw constructError(
      scope,
      "database.host must be a host name alone, without scheme, user, port or path",
    );
  }
  if (!Token.isUnresolved(port) && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw constructError(scope, `database.port must be a port from 1 to 65535, not ${port}`);
  }
  if (ca !== undefined) checkCertificates(scope, ca);
  const securityGroups = securityGroup === undefined ? [] : [securityGroup];
  const grantConnect = resourceId === undefined ? undefined : connectGrant(scope, resourceId);
  const snapshotSource = endpointSource(scope, endpoint);
  return { host, port, securityGroups, needs: [], ...given({ ca, grantConnect, snapshotSource }) };
}

function endpointSource(scope: Construct, endpoint: PostgresEndpoint): SnapshotSource | undefined {
  const { instanceIdentifier, clusterIdentifier } = endpoint;
  if (instanceIdentifier !== undefined && clusterIdentifier !== undefined) {
    throw constructError(
      scope,
      "database has both an `instanceIdentifier` and a `clusterIdentifier`: of a cluster, give its own identifier alone",
    );
  }
  if (clusterIdentifier !== undefined) return { kind: "cluster", identifier: clusterIdentifier };
  return instanceIdentifier === undefined ? undefined : { kind: "instance", identifier: instanceIdentifier };
}

function connectGrant(scope: Construct, resourceId: string): NonNullable<DatabaseTarget["grantConnect"]> {
  if (!Token.isUnresolved(resourceId) && !/^(?:db|cluster)-[A-Z0-9]+$/.test(resourceId)) {
    throw constructError(
      scope,
      `database.resourceId must be like "db-ABCDEFGHIJKL01234" or "cluster-...", not "${resourceId}": it is not the name ` +
        "of the instance, see `aws rds describe-db-instances --query DBInstances[].DbiResourceId`",
    );
  }
  return (grantee, user) => {
    const resource = Stack.of(scope).formatArn({
      service: "rds-db",
      resource: "dbuser",
      resourceName: `${resourceId}/${user}`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    iam.Grant.addToPrincipal({ grantee, actions: ["rds-db:connect"], resourceArns: [resource] });
  };
}

/**
 * Only the resource of the construct itself. Other constructs below it, such as a rotation or rules for more clients, may
 * wait for the migrations.
 */
export function resourceOf(construct: IConstruct): readonly IConstruct[] {
  const { defaultChild } = construct.node;
  return defaultChild === undefined ? [] : [defaultChild];
}

/** A cluster accepts connections only when its instances exist. */
function instancesOf(database: IConstruct): readonly IConstruct[] {
  return database.node.findAll().filter((child) => child instanceof rds.CfnDBInstance);
}

function checkEngine(scope: Construct, engine: string | undefined): void {
  if (engine === undefined || POSTGRES_ENGINES.includes(engine)) return;
  throw constructError(scope, `the database's engine is ${engine}: these migrations are for Postgres`);
}

/** CDK's interfaces have no secret, but most of their implementations do. */
export function isSecret(value: unknown): value is secretsmanager.ISecret {
  return typeof value === "object" && value !== null && "secretArn" in value && "grantRead" in value;
}

function nameOf(resource: IConstruct | undefined): string | undefined {
  if (resource instanceof rds.CfnDBInstance) return resource.dbName;
  return resource instanceof rds.CfnDBCluster ? resource.databaseName : undefined;
}

/** An instance that replicates another one, or the endpoint of a cluster's readers. */
function isReplica(database: MigrationsDatabase, host: string): boolean {
  if ("node" in database) {
    const { defaultChild } = database.node;
    if (defaultChild instanceof rds.CfnDBInstance && defaultChild.sourceDbInstanceIdentifier !== undefined) {
      return true;
    }
  }
  if (!Token.isUnresolved(host)) return /\.cluster-ro-[a-z0-9]+\./i.test(host);
  return referenceIn(host)?.displayName.startsWith("ReadEndpoint") ?? false;
}

/** The attribute of a resource in this app that the host name refers to. */
function referenceIn(host: string): Reference | undefined {
  const token = Tokenization.reverse(host, { failConcat: false });
  return token !== undefined && Reference.isReference(token) ? token : undefined;
}

/** Recognizes a proxy by its host name, or by its resource in the same app. */
function isProxy(host: string): boolean {
  if (!Token.isUnresolved(host)) return /\.proxy-[a-z0-9]+\./i.test(host);
  const source = referenceIn(host)?.target;
  return source instanceof rds.CfnDBProxy || source instanceof rds.CfnDBProxyEndpoint;
}

/** The migration lock belongs to a session, and a proxy may send each statement through a different one. */
function proxyError(scope: Construct, received: string): Error {
  return constructError(
    scope,
    `the migrations cannot run through an RDS Proxy (${received}): give the instance or cluster behind it`,
  );
}

/** For each app, its constructs by the table in which they record applied migrations. */
const CONSTRUCTS_BY_TABLE = new WeakMap<IConstruct, Map<string, Construct>>();

/** Table of applied migrations. If the host is a token, its text is the same for the same database. */
export interface MigrationsTable {
  readonly host: string;
  readonly port: string;
  readonly databaseName: string;
  /** Options that differ from their defaults, as JSON. */
  readonly options: string;
}

/**
 * Two folders that share a table would each report the other's migrations as missing.
 * @throws Error that names the other construct
 */
export function requireOnePerDatabase(scope: Construct, table: MigrationsTable): void {
  const { root } = scope.node;
  const constructs = CONSTRUCTS_BY_TABLE.get(root) ?? new Map<string, Construct>();
  CONSTRUCTS_BY_TABLE.set(root, constructs);
  const { account, region } = Stack.of(scope);
  // The same private host name may be another server in another account or region, which a stage may not know yet.
  const stage = Stage.of(scope)?.node.path ?? "";
  const key = JSON.stringify([account, region, stage, ...tableKey(table)]);
  const other = constructs.get(key);
  if (other !== undefined) {
    throw constructError(
      scope,
      `${other.node.path} already runs migrations on this database with the same table: give one of them another ` +
        "`schema` or `migrationsTable`, or merge the folders",
    );
  }
  constructs.set(key, scope);
}

function tableKey({ host, port, databaseName, options }: MigrationsTable): readonly unknown[] {
  const parsed: unknown = JSON.parse(options);
  const option = (name: string): unknown =>
    typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, name) : undefined;
  const schemas = option("schema");
  const [first = DEFAULTS.schema] = Array.isArray(schemas) ? schemas : [];
  const schema = option("migrationsSchema") ?? first;
  return [host, port, databaseName, schema, option("migrationsTable") ?? DEFAULTS.migrationsTable];
}

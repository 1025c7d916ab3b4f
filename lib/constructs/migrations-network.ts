import { isIP } from "node:net";
import { Token } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type { Construct, IConstruct, IDependable } from "constructs";
import { constructError } from "./construct-error.ts";
import { type DatabaseTarget, resourceOf } from "./database-target.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import type { PostgresMigrationsProps } from "./postgres-migrations-props.ts";
import { type SecretsManagerRoute, secretsManagerRoute } from "./secrets-manager-route.ts";

/**
 * Where the functions are, and the rules by which they reach the database and Secrets Manager, and nothing
 * else.
 */
export interface MigrationsNetwork {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SelectedSubnets;
  readonly securityGroup: ec2.SecurityGroup;
  /**
   * What must be there before a function can do its work, the rules included. Only what is its own: rules that let
   * others in may depend on those who wait for the migrations.
   */
  readonly needs: readonly IDependable[];
}

/**
 * @throws Error when the VPC is unknown, the subnets are public, or Secrets Manager cannot be reached from
 * them
 */
export function migrationsNetwork(
  scope: Construct,
  props: PostgresMigrationsProps,
  target: DatabaseTarget,
): MigrationsNetwork {
  const { database } = props;
  const vpc = props.vpc ?? (database instanceof PostgresDatabase ? database.vpc : undefined);
  if (vpc === undefined) {
    throw constructError(scope, "vpc is required: only a PostgresDatabase says which one it is in");
  }
  const subnets = vpc.selectSubnets(props.vpcSubnets ?? usualSubnets(vpc));
  if (subnets.hasPublic) {
    throw constructError(
      scope,
      "vpcSubnets must be private or isolated: a function in a public subnet gets no public address and reaches nothing",
    );
  }
  const route = secretsManagerRoute(scope, {
    vpc,
    subnets,
    endpoint: props.secretsManagerEndpoint ?? madeEndpoint(props, vpc),
    peer: props.secretsManagerPeer,
  });
  const securityGroup = new ec2.SecurityGroup(scope, "SecurityGroup", {
    vpc,
    description: "Functions that run Postgres migrations",
    allowAllOutbound: false,
  });
  const toDatabase = newIn(target.securityGroups, () => openWayToDatabase(securityGroup, target));
  const toSecrets = openWayToSecretsManager(securityGroup, route);
  return {
    vpc,
    subnets,
    securityGroup,
    needs: [securityGroup, ...toDatabase, ...toSecrets, ...target.needs],
  };
}

/** Opens the way, and gives what lies on it. */
function openWayToSecretsManager(
  from: ec2.SecurityGroup,
  route: SecretsManagerRoute,
): readonly IDependable[] {
  if (route.kind === "peer") {
    from.addEgressRule(route.peer, ec2.Port.HTTPS, "Secrets Manager");
    return [];
  }
  const { endpoint } = route;
  const rules = newIn(endpoint.connections.securityGroups, () =>
    from.connections.allowTo(endpoint, ec2.Port.HTTPS, "Secrets Manager"),
  );
  return [...rules, ...resourceOf(endpoint)];
}

/** The constructs that `work` adds below others. */
function newIn(scopes: readonly IConstruct[], work: () => void): readonly IConstruct[] {
  const all = () => scopes.flatMap((scope) => scope.node.findAll());
  const before = new Set(all());
  work();
  return all().filter((one) => !before.has(one));
}

function openWayToDatabase(from: ec2.SecurityGroup, { host, port, securityGroups }: DatabaseTarget): void {
  const postgres = ec2.Port.tcp(port);
  for (const group of securityGroups) from.connections.allowTo(group, postgres, "Postgres migrations");
  if (securityGroups.length === 0) from.addEgressRule(peerOf(host), postgres, "Postgres migrations");
}

/** That of a PostgresDatabase, when the functions are in the same VPC and their user has not said otherwise. */
function madeEndpoint(
  { database, secretsManagerPeer }: PostgresMigrationsProps,
  vpc: ec2.IVpc,
): ec2.IInterfaceVpcEndpoint | undefined {
  if (!(database instanceof PostgresDatabase) || secretsManagerPeer !== undefined) return undefined;
  return database.vpc === vpc ? database.secretsManagerEndpoint : undefined;
}

/** A rule cannot name a host. */
function peerOf(host: string): ec2.IPeer {
  const version = Token.isUnresolved(host) ? 0 : isIP(host);
  if (version === 4) return ec2.Peer.ipv4(`${host}/32`);
  return version === 6 ? ec2.Peer.ipv6(`${host}/128`) : ec2.Peer.anyIpv4();
}

function usualSubnets(vpc: ec2.IVpc): ec2.SubnetSelection {
  return vpc.privateSubnets.length > 0
    ? { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS }
    : { subnetType: ec2.SubnetType.PRIVATE_ISOLATED };
}

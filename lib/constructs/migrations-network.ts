import { isIP } from "node:net";
import { Stack, Token } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type { Construct, IConstruct, IDependable } from "constructs";
import { type DatabaseTarget, resourceOf } from "./database-target.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import type { PostgresMigrationsProps } from "./postgres-migrations-props.ts";
import { constructError } from "./validation.ts";

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

/**
 * How the functions reach Secrets Manager: by an endpoint whose security group lets them in, or by what lies
 * behind a peer.
 */
type SecretsManagerRoute =
  | { readonly kind: "endpoint"; readonly endpoint: ec2.IInterfaceVpcEndpoint }
  | { readonly kind: "peer"; readonly peer: ec2.IPeer };

interface RouteRequest {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SelectedSubnets;
  readonly endpoint?: ec2.IInterfaceVpcEndpoint | undefined;
  readonly peer?: ec2.IPeer | undefined;
}

/**
 * A function that cannot read its secret hangs until its timeout, in the middle of a deploy: better to know
 * now.
 */
function secretsManagerRoute(scope: Construct, request: RouteRequest): SecretsManagerRoute {
  const { vpc, subnets, peer } = request;
  if (request.endpoint !== undefined) return byEndpoint(scope, request.endpoint);
  if (peer !== undefined) return { kind: "peer", peer };
  // Only the first of two synths: the VPC is not looked up yet.
  if (subnets.isPendingLookup) return { kind: "peer", peer: ec2.Peer.anyIpv4() };
  const found = endpointOf(scope, vpc);
  if (found !== undefined) return byEndpoint(scope, found);
  if (allIn(subnets, vpc.privateSubnets)) return { kind: "peer", peer: ec2.Peer.anyIpv4() };
  throw constructError(
    scope,
    "the functions' subnets have no known way to Secrets Manager: make an interface endpoint in the VPC before this " +
      "construct (ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER) or give it as `secretsManagerEndpoint`; choose " +
      "private subnets with a NAT gateway as `vpcSubnets`; or say as `secretsManagerPeer` where it is reached",
  );
}

function byEndpoint(scope: Construct, endpoint: ec2.IInterfaceVpcEndpoint): SecretsManagerRoute {
  if (endpoint.connections.securityGroups.length > 0) return { kind: "endpoint", endpoint };
  throw constructError(
    scope,
    "secretsManagerEndpoint has no security group that the functions could be let into: name its `securityGroups` " +
      "where it is imported",
  );
}

/** An endpoint somewhere in the app, made for this very VPC, that answers to the service's usual name. */
function endpointOf(scope: Construct, vpc: ec2.IVpc): ec2.InterfaceVpcEndpoint | undefined {
  return scope.node.root.node.findAll().find((one): one is ec2.InterfaceVpcEndpoint => {
    if (!(one instanceof ec2.InterfaceVpcEndpoint)) return false;
    const resource = one.node.defaultChild;
    if (!(resource instanceof ec2.CfnVPCEndpoint) || resource.vpcId !== vpc.vpcId) return false;
    const service = JSON.stringify(Stack.of(one).resolve(resource.serviceName));
    return service.includes('.secretsmanager"') && resource.privateDnsEnabled === true;
  });
}

function allIn(selected: ec2.SelectedSubnets, subnets: readonly ec2.ISubnet[]): boolean {
  const ids = new Set(subnets.map(({ subnetId }) => subnetId));
  return selected.subnets.length > 0 && selected.subnets.every(({ subnetId }) => ids.has(subnetId));
}

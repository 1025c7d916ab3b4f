import { isIP } from "node:net";
import { Stack, Token } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type { Construct, IConstruct, IDependable } from "constructs";
import type { DatabaseLogin } from "./database-login.ts";
import { type DatabaseTarget, POSTGRES_PORT, resourceOf } from "./database-target.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import type { MigrationsProps } from "./postgres-migrations-props.ts";
import { constructError } from "./validation.ts";

/**
 * VPC, subnets and security group of the functions, which can reach only the database and, unless they connect with a
 * token, Secrets Manager.
 */
export interface MigrationsNetwork {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SelectedSubnets;
  readonly securityGroup: ec2.SecurityGroup;
  /**
   * Resources that must exist before a function can work, including its rules. Not the rules for other clients, which may
   * depend on constructs that wait for the migrations.
   */
  readonly needs: readonly IDependable[];
}

/** @throws Error if the VPC is unknown, the subnets are public, or Secrets Manager cannot be reached from them */
export function migrationsNetwork(
  scope: Construct,
  props: MigrationsProps,
  target: DatabaseTarget,
  login: DatabaseLogin["kind"],
): MigrationsNetwork {
  const vpc = vpcOf(scope, props);
  const subnets = subnetsOf(scope, props, vpc);
  const route =
    login === "iam"
      ? undefined
      : secretsManagerRoute(scope, {
          vpc,
          subnets,
          endpoint: props.secretsManagerEndpoint ?? endpointOfDatabase(props, vpc),
          peer: props.secretsManagerPeer,
        });
  const securityGroup = new ec2.SecurityGroup(scope, "SecurityGroup", {
    vpc,
    description: "Functions that run Postgres migrations",
    allowAllOutbound: false,
  });
  const toDatabase = addedBelow(target.securityGroups, () => allowDatabase(securityGroup, target));
  const toSecrets = route === undefined ? [] : allowSecretsManager(securityGroup, route);
  return {
    vpc,
    subnets,
    securityGroup,
    needs: [securityGroup, ...toDatabase, ...toSecrets, ...target.needs],
  };
}

/** Allows the functions to connect to further servers. Returns the rules, which must exist before a function can work. */
export function allowServers(
  from: ec2.SecurityGroup,
  servers: readonly ec2.IConnectable[],
): readonly IDependable[] {
  return servers.flatMap((server) =>
    addedBelow([from, ...server.connections.securityGroups], () =>
      from.connections.allowTo(
        server,
        server.connections.defaultPort ?? ec2.Port.tcp(POSTGRES_PORT),
        "Postgres migrations",
      ),
    ),
  );
}

function vpcOf(scope: Construct, { vpc, database }: MigrationsProps): ec2.IVpc {
  if (vpc !== undefined) return vpc;
  if (database instanceof PostgresDatabase) return database.vpc;
  throw constructError(scope, "vpc is required unless database is a PostgresDatabase");
}

function subnetsOf(scope: Construct, { vpcSubnets }: MigrationsProps, vpc: ec2.IVpc): ec2.SelectedSubnets {
  const subnets = vpc.selectSubnets(vpcSubnets ?? defaultSubnets(vpc));
  if (!subnets.hasPublic) return subnets;
  throw constructError(
    scope,
    "vpcSubnets must be private or isolated: a function in a public subnet gets no public address and reaches nothing",
  );
}

/** Returns the resources that must exist before Secrets Manager can be reached. */
function allowSecretsManager(from: ec2.SecurityGroup, route: SecretsManagerRoute): readonly IDependable[] {
  if (route.kind === "peer") {
    from.addEgressRule(route.peer, ec2.Port.HTTPS, "Secrets Manager");
    return [];
  }
  const { endpoint } = route;
  const rules = addedBelow(endpoint.connections.securityGroups, () =>
    from.connections.allowTo(endpoint, ec2.Port.HTTPS, "Secrets Manager"),
  );
  return [...rules, ...resourceOf(endpoint)];
}

/** Constructs that `add` adds below the scopes. */
function addedBelow(scopes: readonly IConstruct[], add: () => void): readonly IConstruct[] {
  const all = () => scopes.flatMap((scope) => scope.node.findAll());
  const before = new Set(all());
  add();
  return all().filter((construct) => !before.has(construct));
}

function allowDatabase(from: ec2.SecurityGroup, { host, port, securityGroups }: DatabaseTarget): void {
  const postgres = ec2.Port.tcp(port);
  for (const group of securityGroups) from.connections.allowTo(group, postgres, "Postgres migrations");
  if (securityGroups.length === 0) from.addEgressRule(peerOf(host), postgres, "Postgres migrations");
}

/** Endpoint of a PostgresDatabase, if the functions are in its VPC and the props name no other route. */
function endpointOfDatabase(
  { database, secretsManagerPeer }: MigrationsProps,
  vpc: ec2.IVpc,
): ec2.IInterfaceVpcEndpoint | undefined {
  if (!(database instanceof PostgresDatabase) || secretsManagerPeer !== undefined) return undefined;
  return database.vpc === vpc ? database.secretsManagerEndpoint : undefined;
}

/** A rule cannot contain a host name. */
function peerOf(host: string): ec2.IPeer {
  const version = Token.isUnresolved(host) ? 0 : isIP(host);
  if (version === 4) return ec2.Peer.ipv4(`${host}/32`);
  return version === 6 ? ec2.Peer.ipv6(`${host}/128`) : ec2.Peer.anyIpv4();
}

function defaultSubnets(vpc: ec2.IVpc): ec2.SubnetSelection {
  return vpc.privateSubnets.length > 0
    ? { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS }
    : { subnetType: ec2.SubnetType.PRIVATE_ISOLATED };
}

/** How the functions reach Secrets Manager: through an endpoint with a security group, or at the addresses of a peer. */
type SecretsManagerRoute =
  | { readonly kind: "endpoint"; readonly endpoint: ec2.IInterfaceVpcEndpoint }
  | { readonly kind: "peer"; readonly peer: ec2.IPeer };

interface RouteRequest {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SelectedSubnets;
  readonly endpoint?: ec2.IInterfaceVpcEndpoint | undefined;
  readonly peer?: ec2.IPeer | undefined;
}

/** Fails synth, because a function that cannot reach Secrets Manager would hang until its timeout during a deploy. */
function secretsManagerRoute(scope: Construct, request: RouteRequest): SecretsManagerRoute {
  const { vpc, subnets, peer } = request;
  if (request.endpoint !== undefined) return byEndpoint(scope, request.endpoint);
  if (peer !== undefined) return { kind: "peer", peer };
  // CDK synthesizes again after it has looked up the VPC.
  if (subnets.isPendingLookup) return { kind: "peer", peer: ec2.Peer.anyIpv4() };
  const endpoint = findEndpoint(scope, vpc);
  if (endpoint !== undefined) return byEndpoint(scope, endpoint);
  if (allIn(subnets, vpc.privateSubnets)) return { kind: "peer", peer: ec2.Peer.anyIpv4() };
  throw constructError(
    scope,
    "the functions' subnets have no known route to Secrets Manager: make an interface endpoint in the VPC before this " +
      "construct (ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER) or pass one as `secretsManagerEndpoint`; choose " +
      "private subnets with a NAT gateway as `vpcSubnets`; or pass its addresses as `secretsManagerPeer`",
  );
}

function byEndpoint(scope: Construct, endpoint: ec2.IInterfaceVpcEndpoint): SecretsManagerRoute {
  if (endpoint.connections.securityGroups.length > 0) return { kind: "endpoint", endpoint };
  throw constructError(
    scope,
    "secretsManagerEndpoint has no security group that could allow the functions in: pass its `securityGroups` " +
      "to its import",
  );
}

/** An endpoint in the app for this VPC that answers to the default host name of the service. */
function findEndpoint(scope: Construct, vpc: ec2.IVpc): ec2.InterfaceVpcEndpoint | undefined {
  return scope.node.root.node.findAll().find((construct): construct is ec2.InterfaceVpcEndpoint => {
    if (!(construct instanceof ec2.InterfaceVpcEndpoint)) return false;
    const resource = construct.node.defaultChild;
    if (!(resource instanceof ec2.CfnVPCEndpoint) || resource.vpcId !== vpc.vpcId) return false;
    const service = JSON.stringify(Stack.of(construct).resolve(resource.serviceName));
    return service.includes('.secretsmanager"') && resource.privateDnsEnabled === true;
  });
}

function allIn(selected: ec2.SelectedSubnets, subnets: readonly ec2.ISubnet[]): boolean {
  const ids = new Set(subnets.map(({ subnetId }) => subnetId));
  return selected.subnets.length > 0 && selected.subnets.every(({ subnetId }) => ids.has(subnetId));
}

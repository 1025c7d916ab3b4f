import { Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type { Construct } from "constructs";
import { constructError } from "./construct-error.ts";

/**
 * How the functions reach Secrets Manager: by an endpoint whose security group lets them in, or by what lies
 * behind a peer.
 */
export type SecretsManagerRoute =
  | { readonly kind: "endpoint"; readonly endpoint: ec2.IInterfaceVpcEndpoint }
  | { readonly kind: "peer"; readonly peer: ec2.IPeer };

export interface RouteRequest {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SelectedSubnets;
  readonly endpoint?: ec2.IInterfaceVpcEndpoint | undefined;
  readonly peer?: ec2.IPeer | undefined;
}

/**
 * A function that cannot read its secret hangs until its timeout, in the middle of a deploy: better to know
 * now.
 */
export function secretsManagerRoute(scope: Construct, request: RouteRequest): SecretsManagerRoute {
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

import { Aws } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";

/** A made VPC: nothing in it reaches the internet, and nothing reaches in. */
export function isolatedVpc(scope: Construct): ec2.IVpc {
  const vpc: unknown = new ec2.Vpc(scope, "Vpc", {
    maxAzs: 2,
    natGateways: 0,
    subnetConfiguration: [{ name: "Isolated", subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 24 }],
  });
  if (isVpc(vpc)) return vpc;
  throw new TypeError("ec2.Vpc is no ec2.IVpc");
}

/** CDK's class has `undefined` where its interface has none: only our strict compiler minds. */
function isVpc(value: unknown): value is ec2.IVpc {
  return value instanceof ec2.Vpc;
}

/** The only AWS service the functions talk to. Closed until a function's security group is let in. */
export function secretsManagerEndpoint(
  scope: Construct,
  vpc: ec2.IVpc,
  subnets: ec2.SubnetSelection,
): ec2.InterfaceVpcEndpoint {
  const securityGroup = new ec2.SecurityGroup(scope, "SecretsManagerSecurityGroup", {
    vpc,
    description: "Secrets Manager endpoint",
    allowAllOutbound: false,
  });
  const endpoint = new ec2.InterfaceVpcEndpoint(scope, "SecretsManagerEndpoint", {
    vpc,
    subnets,
    service: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    securityGroups: [securityGroup],
    open: false,
  });
  // Otherwise code in the VPC could carry data out with the keys of another account.
  endpoint.addToPolicy(
    new iam.PolicyStatement({
      principals: [new iam.AnyPrincipal()],
      actions: ["secretsmanager:*"],
      resources: ["*"],
      conditions: { StringEquals: { "aws:PrincipalAccount": Aws.ACCOUNT_ID } },
    }),
  );
  return endpoint;
}

/** Isolated subnets, or private ones where there are none. Never public ones. */
export function closedSubnets(vpc: ec2.IVpc): ec2.SubnetSelection {
  return vpc.isolatedSubnets.length > 0
    ? { subnetType: ec2.SubnetType.PRIVATE_ISOLATED }
    : { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS };
}

/** The first isolated subnets, each in an availability zone of its own. */
export function isolatedSubnets(vpc: ec2.IVpc, zones: number): ec2.SubnetSelection {
  return { subnets: vpc.isolatedSubnets.slice(0, zones) };
}

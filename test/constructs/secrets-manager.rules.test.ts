import { expect, test } from "@jest/globals";
import { Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import { PostgresDatabase } from "../../lib/index.ts";
import {
  addMigrations,
  egress,
  importedGroup,
  importedSecret,
  makeIsolatedVpc,
  makeVpc,
  newApp,
  newStack,
} from "./synth.ts";

const plain = (stack: Stack) => ({
  database: { host: "db.example.com", securityGroup: importedGroup(stack) },
  secret: importedSecret(stack),
  databaseName: "app",
});
const secretsManager = (stack: Stack) =>
  egress(stack).filter(({ Description }) => Description === "Secrets Manager");

test("the functions use the endpoint that PostgresDatabase has made", () => {
  const stack = newStack();
  addMigrations(stack, { database: new PostgresDatabase(stack, "Database") });
  expect(secretsManager(stack)).toMatchObject([
    { DestinationSecurityGroupId: expect.anything(), FromPort: 443 },
  ]);
});

test("the functions use an endpoint that the app has made in the VPC", () => {
  const stack = newStack();
  const vpc = makeIsolatedVpc(stack);
  const { connections } = vpc.addInterfaceEndpoint("Secrets", {
    service: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    open: false,
  });
  addMigrations(stack, { ...plain(stack), vpc });
  const [group] = connections.securityGroups;
  expect(secretsManager(stack)).toMatchObject([
    { DestinationSecurityGroupId: stack.resolve(group?.securityGroupId), FromPort: 443 },
  ]);
});

test("the functions use an imported endpoint in an imported VPC", () => {
  const stack = newStack();
  const vpc = ec2.Vpc.fromVpcAttributes(stack, "Vpc", {
    vpcId: "vpc-0123456789abcdef0",
    availabilityZones: ["eu-west-1a", "eu-west-1b"],
    isolatedSubnetIds: ["subnet-1", "subnet-2"],
    isolatedSubnetRouteTableIds: ["rtb-1", "rtb-2"],
  });
  addMigrations(stack, {
    ...plain(stack),
    vpc,
    secretsManagerEndpoint: ec2.InterfaceVpcEndpoint.fromInterfaceVpcEndpointAttributes(stack, "Endpoint", {
      vpcEndpointId: "vpce-0123456789abcdef0",
      port: 443,
      securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(stack, "EndpointGroup", "sg-1")],
    }),
  });
  expect(secretsManager(stack)).toMatchObject([{ DestinationSecurityGroupId: "sg-1", FromPort: 443 }]);
});

test("the functions use the given peer", () => {
  const stack = newStack();
  const secretsManagerPeer = ec2.Peer.ipv4("10.9.0.0/24");
  addMigrations(stack, { ...plain(stack), vpc: makeIsolatedVpc(stack), secretsManagerPeer });
  expect(secretsManager(stack)).toMatchObject([{ CidrIp: "10.9.0.0/24", FromPort: 443 }]);
});

test("functions in private subnets use the route out of the VPC although the database is isolated", () => {
  const stack = newStack();
  const vpc = makeVpc(stack, {
    subnetConfiguration: [
      { name: "Public", subnetType: ec2.SubnetType.PUBLIC },
      { name: "Private", subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      { name: "Isolated", subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
    ],
  });
  addMigrations(stack, { database: new PostgresDatabase(stack, "Database", { vpc }) });
  expect(secretsManager(stack)).toMatchObject([{ CidrIp: "0.0.0.0/0", FromPort: 443 }]);
});

test("isolated subnets of a VPC that is not looked up yet are no error", () => {
  const env = { account: "111122223333", region: "eu-west-1" };
  const app = newApp();
  const stack = new Stack(app, "Stack", { env });
  const vpc = ec2.Vpc.fromLookup(stack, "Vpc", { vpcId: "vpc-0123456789abcdef0" });
  const vpcSubnets = { subnetType: ec2.SubnetType.PRIVATE_ISOLATED };
  expect(() => addMigrations(stack, { ...plain(stack), vpc, vpcSubnets })).not.toThrow();
});

import { beforeAll, describe, expect, test } from "@jest/globals";
import { Duration, RemovalPolicy, type Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as rds from "aws-cdk-lib/aws-rds";
import { PostgresDatabase, type PostgresDatabaseProps } from "../../lib/index.ts";
import { makeVpc, newStack, only, resourcesOf } from "./synth.ts";

const INSTANCE = "AWS::RDS::DBInstance";

function stackWith(props?: PostgresDatabaseProps): Stack {
  const stack = newStack();
  new PostgresDatabase(stack, "Database", props);
  return stack;
}

describe.each([
  {
    profile: "dev",
    decided: {
      DBInstanceClass: "db.t4g.micro",
      AllocatedStorage: "20",
      MaxAllocatedStorage: 100,
      MultiAZ: false,
      BackupRetentionPeriod: 3,
      DeleteAutomatedBackups: true,
      DeletionProtection: false,
      EnablePerformanceInsights: false,
      MonitoringInterval: 0,
    },
    endpointSubnets: 1,
  },
  {
    profile: "prod",
    decided: {
      DBInstanceClass: "db.t4g.medium",
      AllocatedStorage: "50",
      MaxAllocatedStorage: 500,
      MultiAZ: true,
      BackupRetentionPeriod: 14,
      DeleteAutomatedBackups: false,
      DeletionProtection: true,
      EnablePerformanceInsights: true,
      MonitoringInterval: 60,
      EnableCloudwatchLogsExports: ["postgresql", "upgrade"],
    },
    endpointSubnets: 2,
  },
] as const)("a $profile database", ({ profile, decided, endpointSubnets }) => {
  let stack: Stack;
  beforeAll(() => {
    stack = stackWith({ profile });
  });

  test("the instance has the settings of its profile", () => {
    expect(only(stack, INSTANCE).Properties).toMatchObject(decided);
  });

  test("the instance has the settings that both profiles share", () => {
    const instance = only(stack, INSTANCE);
    expect(instance.Properties).toMatchObject({
      Engine: "postgres",
      EngineVersion: "17",
      StorageType: "gp3",
      StorageEncrypted: true,
      PubliclyAccessible: false,
      AutoMinorVersionUpgrade: true,
      CopyTagsToSnapshot: true,
      EngineLifecycleSupport: "open-source-rds-extended-support-disabled",
    });
    expect(instance.Properties).not.toHaveProperty("DBInstanceIdentifier");
    expect(instance.Properties).not.toHaveProperty("DBName");
    expect(instance.DeletionPolicy).toBe("Snapshot");
    expect(only(stack, "AWS::RDS::DBParameterGroup").Properties["Parameters"]).toEqual({
      "rds.force_ssl": "1",
      log_lock_waits: "1",
      log_min_duration_statement: "1000",
      idle_in_transaction_session_timeout: "600000",
    });
  });

  test("the password is generated and stays in Secrets Manager", () => {
    const secret = only(stack, "AWS::SecretsManager::Secret");
    expect(secret.Properties).toMatchObject({
      GenerateSecretString: {
        GenerateStringKey: "password",
        SecretStringTemplate: '{"username":"postgres"}',
      },
    });
    expect(only(stack, INSTANCE).Properties["MasterUserPassword"]).toEqual({
      "Fn::Join": ["", ["{{resolve:secretsmanager:", { Ref: secret.id }, ":SecretString:password::}}"]],
    });
    expect(resourcesOf(stack, "AWS::SecretsManager::SecretTargetAttachment")).toHaveLength(1);
  });

  test("the new VPC has no route in or out, and its endpoint allows nobody in", () => {
    const types = resourcesOf(stack).map(({ Type }) => Type);
    expect(types.filter((type) => type === "AWS::EC2::Subnet")).toHaveLength(2);
    expect(types).not.toContain("AWS::EC2::InternetGateway");
    expect(types).not.toContain("AWS::EC2::NatGateway");
    expect(types).not.toContain("AWS::EC2::Route");
    expect(types).not.toContain("AWS::EC2::SecurityGroupIngress");
    for (const group of resourcesOf(stack, "AWS::EC2::SecurityGroup")) {
      expect(group.Properties).not.toHaveProperty("SecurityGroupIngress");
      expect(group.Properties["SecurityGroupEgress"]).toMatchObject([{ CidrIp: "255.255.255.255/32" }]);
    }
    const endpoint = only(stack, "AWS::EC2::VPCEndpoint");
    expect(JSON.stringify(endpoint.Properties["ServiceName"])).toContain(".secretsmanager");
    expect(endpoint.Properties["SubnetIds"]).toHaveLength(endpointSubnets);
  });
});

test("a given VPC is used unchanged, and its isolated subnets are preferred", () => {
  const stack = newStack();
  const vpc = makeVpc(stack, {
    subnetConfiguration: [
      { name: "Public", subnetType: ec2.SubnetType.PUBLIC },
      { name: "Private", subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      { name: "Isolated", subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
    ],
  });
  const database = new PostgresDatabase(stack, "Database", { vpc });
  expect(database.secretsManagerEndpoint).toBeUndefined();
  expect(resourcesOf(stack, "AWS::EC2::VPC")).toHaveLength(1);
  expect(resourcesOf(stack, "AWS::EC2::VPCEndpoint")).toHaveLength(0);
  const subnets = JSON.stringify(only(stack, "AWS::RDS::DBSubnetGroup").Properties["SubnetIds"]);
  expect(subnets).toMatch(/VpcIsolatedSubnet1.*VpcIsolatedSubnet2/);
  expect(subnets).not.toMatch(/Public|Private/);
});

test("props override the profile, and instanceProps override the props", () => {
  const stack = stackWith({
    profile: "prod",
    databaseName: "app",
    username: "owner",
    version: rds.PostgresEngineVersion.VER_16,
    instanceType: new ec2.InstanceType("m7g.large"),
    allocatedStorage: 200,
    maxAllocatedStorage: 900,
    multiAz: false,
    backupRetention: Duration.days(30),
    deleteAutomatedBackups: true,
    deletionProtection: false,
    removalPolicy: RemovalPolicy.DESTROY,
    parameters: { log_min_duration_statement: "250", work_mem: "8192" },
    monitoringInterval: Duration.seconds(0),
    enablePerformanceInsights: false,
    cloudwatchLogsExports: [],
    instanceProps: { allocatedStorage: 300, port: 5433, iamAuthentication: true },
  });
  const instance = only(stack, INSTANCE);
  expect(instance.Properties).toMatchObject({
    DBName: "app",
    MasterUsername: "owner",
    EngineVersion: "16",
    DBInstanceClass: "db.m7g.large",
    AllocatedStorage: "300",
    MaxAllocatedStorage: 900,
    MultiAZ: false,
    BackupRetentionPeriod: 30,
    DeleteAutomatedBackups: true,
    DeletionProtection: false,
    EnablePerformanceInsights: false,
    MonitoringInterval: 0,
    Port: "5433",
    EnableIAMDatabaseAuthentication: true,
  });
  expect(instance.DeletionPolicy).toBe("Delete");
  expect(only(stack, "AWS::RDS::DBParameterGroup").Properties["Parameters"]).toMatchObject({
    "rds.force_ssl": "1",
    log_min_duration_statement: "250",
    work_mem: "8192",
  });
});

test("a retained instance keeps the resources that it needs, and a failed first deploy leaves none of them", () => {
  const stack = stackWith({ profile: "prod", removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE });
  const retained = resourcesOf(stack).filter(
    ({ DeletionPolicy }) => DeletionPolicy === "RetainExceptOnCreate",
  );
  expect(retained.map(({ Type }) => Type).toSorted()).toEqual([
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    INSTANCE,
    "AWS::RDS::DBParameterGroup",
    "AWS::RDS::DBSubnetGroup",
    "AWS::SecretsManager::Secret",
  ]);
});

test.each([
  ["a-b", /^Stack\/Database: databaseName "a-b" is not a name RDS can give a database/],
  ["1a", /databaseName "1a"/],
  ["a".repeat(64), /up to 62 letters/],
])("the database name %j is refused", (databaseName, message) => {
  expect(() => stackWith({ databaseName })).toThrow(message);
});

test("an unknown profile is refused", () => {
  const profile: unknown = "staging";
  expect(() => Reflect.construct(PostgresDatabase, [newStack(), "Database", { profile }])).toThrow(
    'Stack/Database: profile must be "dev" or "prod", not "staging"',
  );
});

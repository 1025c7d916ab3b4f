import { Aws, CfnResource, type RemovalPolicy, Token } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as rds from "aws-cdk-lib/aws-rds";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import {
  DATABASE_PARAMETERS,
  DATABASE_PROFILES,
  DATABASE_VERSION,
  type DatabaseDefaults,
  type PostgresDatabaseProps,
} from "./postgres-database-props.ts";
import { constructError } from "./validation.ts";

/** What every Postgres instance has; RDS creates it when no other name is asked for. */
const DATABASE_NAME = "postgres";

/**
 * A Postgres instance on RDS: encrypted gp3 storage, TLS only, a generated password in Secrets Manager, no
 * way in for anyone until a security group is let in, and no paid support for versions that have come to
 * their end.
 *
 * **Removal.** An instance that leaves the stack is deleted after a last snapshot. In `prod`, RDS refuses to
 * delete it until `deletionProtection` has been set to `false` and deployed.
 *
 * **The first deploy.** When it fails, CloudFormation deletes what it made, the instance included. It cannot
 * delete a protected one: the stack ends in ROLLBACK_FAILED with the instance in it, and the next `cdk
 * deploy` stops there. So deploy `prod` for the first time with `cdk deploy --no-rollback`: what was made
 * stays, and the same command goes on from there. A stack that is in ROLLBACK_FAILED is cleaned up by taking
 * the protection off the instance (`aws rds modify-db-instance --no-deletion-protection`) and deleting the
 * stack. CloudFormation may leave a snapshot of the empty database.
 *
 * Protection goes with SNAPSHOT rather than with RETAIN_ON_UPDATE_OR_DELETE, because `cdk deploy` deletes a
 * stack in ROLLBACK_FAILED before it tries again: a retained instance would be left behind in silence, and
 * paid for.
 */
export class PostgresDatabase extends Construct {
  readonly vpc: ec2.IVpc;
  /** Where the database is. */
  readonly vpcSubnets: ec2.SubnetSelection;
  readonly instance: rds.DatabaseInstance;
  /** `username` and `password` of the master user. */
  readonly secret: secretsmanager.ISecret;
  readonly databaseName: string;
  /** Of the instance: lets nobody in at first. */
  readonly securityGroup: ec2.SecurityGroup;
  /** Of a made VPC; absent when a VPC was given. */
  readonly secretsManagerEndpoint: ec2.InterfaceVpcEndpoint | undefined;

  /** @throws Error profile or database name that cannot be */
  constructor(scope: Construct, id: string, props: PostgresDatabaseProps = {}) {
    super(scope, id);
    const defaults = defaultsOf(this, props);
    checkDatabaseName(this, props.databaseName);
    this.vpc = props.vpc ?? isolatedVpc(this);
    this.vpcSubnets = props.vpcSubnets ?? closedSubnets(this.vpc);
    this.secretsManagerEndpoint =
      props.vpc === undefined
        ? secretsManagerEndpoint(
            this,
            this.vpc,
            props.endpointSubnets ?? isolatedSubnets(this.vpc, defaults.endpointZones),
          )
        : undefined;
    this.securityGroup = new ec2.SecurityGroup(this, "SecurityGroup", {
      vpc: this.vpc,
      description: "Postgres database",
      allowAllOutbound: false,
    });
    this.databaseName = props.databaseName ?? DATABASE_NAME;
    this.instance = new rds.DatabaseInstance(this, "Instance", {
      ...instanceProps(props, defaults),
      vpc: this.vpc,
      vpcSubnets: this.vpcSubnets,
      securityGroups: [this.securityGroup],
      ...(props.databaseName === undefined ? {} : { databaseName: props.databaseName }),
    });
    this.secret = secretOf(this, this.instance);
    const removalPolicy = props.instanceProps?.removalPolicy ?? props.removalPolicy ?? defaults.removalPolicy;
    if (removalPolicy.startsWith("retain")) retainNeeds(this, removalPolicy);
  }
}

function defaultsOf(scope: Construct, { profile = "dev" }: PostgresDatabaseProps): DatabaseDefaults {
  if (Object.hasOwn(DATABASE_PROFILES, profile)) return DATABASE_PROFILES[profile];
  throw constructError(scope, `profile must be "dev" or "prod", not "${profile}"`);
}

function checkDatabaseName(scope: Construct, name: string | undefined): void {
  if (name === undefined || Token.isUnresolved(name) || /^[A-Za-z][A-Za-z0-9_]{0,62}$/.test(name)) return;
  throw constructError(
    scope,
    `databaseName "${name}" is not a name RDS can give a database: a letter, then up to 62 letters, digits and underscores`,
  );
}

/** The profile's values, what the user says over them, and what holds for all. */
function instanceProps(
  props: PostgresDatabaseProps,
  defaults: DatabaseDefaults,
): Omit<rds.DatabaseInstanceProps, "vpc"> {
  const key = props.encryptionKey;
  const own = props.instanceProps;
  const insights =
    own?.enablePerformanceInsights ?? props.enablePerformanceInsights ?? defaults.enablePerformanceInsights;
  return {
    engine: rds.DatabaseInstanceEngine.postgres({ version: props.version ?? DATABASE_VERSION }),
    credentials: rds.Credentials.fromGeneratedSecret(
      props.username ?? "postgres",
      key === undefined ? {} : { encryptionKey: key },
    ),
    instanceType: props.instanceType ?? defaults.instanceType,
    storageType: rds.StorageType.GP3,
    allocatedStorage: props.allocatedStorage ?? defaults.allocatedStorage,
    maxAllocatedStorage: props.maxAllocatedStorage ?? defaults.maxAllocatedStorage,
    storageEncrypted: true,
    ...(key === undefined ? {} : { storageEncryptionKey: key }),
    ...(key !== undefined && insights ? { performanceInsightEncryptionKey: key } : {}),
    enablePerformanceInsights: insights,
    // Whoever brings a parameter group has all of them in it.
    ...(own?.parameterGroup === undefined
      ? { parameters: { ...DATABASE_PARAMETERS, ...props.parameters } }
      : {}),
    multiAz: props.multiAz ?? defaults.multiAz,
    publiclyAccessible: false,
    backupRetention: props.backupRetention ?? defaults.backupRetention,
    deleteAutomatedBackups: props.deleteAutomatedBackups ?? defaults.deleteAutomatedBackups,
    deletionProtection: props.deletionProtection ?? defaults.deletionProtection,
    removalPolicy: props.removalPolicy ?? defaults.removalPolicy,
    autoMinorVersionUpgrade: true,
    engineLifecycleSupport: rds.EngineLifecycleSupport.OPEN_SOURCE_RDS_EXTENDED_SUPPORT_DISABLED,
    monitoringInterval: props.monitoringInterval ?? defaults.monitoringInterval,
    cloudwatchLogsExports: [...(props.cloudwatchLogsExports ?? defaults.cloudwatchLogsExports)],
    ...own,
  };
}

function secretOf(scope: Construct, { secret }: rds.DatabaseInstance): secretsmanager.ISecret {
  if (secret !== undefined) return secret;
  throw constructError(
    scope,
    "the credentials in instanceProps have no secret: use Credentials.fromSecret or fromGeneratedSecret",
  );
}

/**
 * What a retained instance stands on. CloudFormation could delete none of the network, and the secret is the
 * only key.
 */
const NEEDED = new Set([
  "AWS::EC2::VPC",
  "AWS::EC2::Subnet",
  "AWS::EC2::SecurityGroup",
  "AWS::RDS::DBSubnetGroup",
  "AWS::RDS::DBParameterGroup",
  "AWS::SecretsManager::Secret",
]);

function retainNeeds(database: PostgresDatabase, policy: RemovalPolicy): void {
  const { secretsManagerEndpoint: endpoint } = database;
  const notNeeded = new Set(endpoint?.connections.securityGroups.flatMap((group) => group.node.findAll()));
  for (const child of database.node.findAll()) {
    if (!(child instanceof CfnResource) || notNeeded.has(child)) continue;
    if (NEEDED.has(child.cfnResourceType)) child.applyRemovalPolicy(policy);
  }
}

/** A made VPC: nothing in it reaches the internet, and nothing reaches in. */
function isolatedVpc(scope: Construct): ec2.IVpc {
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
function secretsManagerEndpoint(
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
function closedSubnets(vpc: ec2.IVpc): ec2.SubnetSelection {
  return vpc.isolatedSubnets.length > 0
    ? { subnetType: ec2.SubnetType.PRIVATE_ISOLATED }
    : { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS };
}

/** The first isolated subnets, each in an availability zone of its own. */
function isolatedSubnets(vpc: ec2.IVpc, zones: number): ec2.SubnetSelection {
  return { subnets: vpc.isolatedSubnets.slice(0, zones) };
}

import { Aws, CfnResource, type RemovalPolicy, Token } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as rds from "aws-cdk-lib/aws-rds";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import { given } from "../core/index.ts";
import {
  DATABASE_PARAMETERS,
  DATABASE_PROFILES,
  DATABASE_VERSION,
  type DatabaseAuthentication,
  type DatabaseDefaults,
  type PostgresDatabaseProps,
} from "./postgres-database-props.ts";
import { checkChoice, constructError } from "./validation.ts";

/** Every Postgres instance has this database. */
const DATABASE_NAME = "postgres";

/**
 * A Postgres instance on RDS: encrypted gp3 storage, TLS only, a generated password in Secrets Manager, and a security
 * group that allows no connections. It does not use RDS Extended Support, which is charged for versions past their end of
 * life.
 *
 * **Removal.** An instance that leaves the stack is deleted after a final snapshot. In `prod`, RDS refuses to delete it
 * until `deletionProtection: false` has been deployed.
 *
 * **First deploy of `prod`.** Use `cdk deploy --no-rollback`. If it fails, the created resources stay and the same
 * command continues from there. Without the flag, CloudFormation tries to delete the instance, which its protection
 * prevents: the stack ends in ROLLBACK_FAILED, and the next `cdk deploy` stops there. To clean up such a stack, remove
 * the protection (`aws rds modify-db-instance --no-deletion-protection`) and delete the stack. CloudFormation may leave a
 * snapshot of the empty database.
 *
 * @example
 * const database = new PostgresDatabase(this, "Database", {
 *   profile: "prod",
 *   databaseName: "shop",
 *   backupRetention: Duration.days(30),
 * });
 * new PostgresMigrations(this, "Migrations", { database, migrationsDir: "migrations" });
 */
export class PostgresDatabase extends Construct {
  /** VPC of the database: the given one, or a new one. */
  readonly vpc: ec2.IVpc;
  /** Subnets of the database. */
  readonly vpcSubnets: ec2.SubnetSelection;
  /** The RDS instance. */
  readonly instance: rds.DatabaseInstance;
  /** Secret with `username` and `password` of the master user. */
  readonly secret: secretsmanager.ISecret;
  /** Name of the database. */
  readonly databaseName: string;
  /** How `PostgresMigrations` logs in, unless its own props say otherwise. */
  readonly authentication: DatabaseAuthentication;
  /** Security group of the instance. It allows no connections until a rule is added. */
  readonly securityGroup: ec2.SecurityGroup;
  /** Secrets Manager endpoint in a new VPC; undefined if a VPC was given, or with IAM authentication. */
  readonly secretsManagerEndpoint: ec2.InterfaceVpcEndpoint | undefined;

  /** @throws Error if `profile` or `databaseName` is invalid, or the credentials in `instanceProps` have no secret */
  constructor(scope: Construct, id: string, props: PostgresDatabaseProps = {}) {
    super(scope, id);
    const defaults = defaultsOf(this, props);
    checkDatabaseName(this, props.databaseName);
    checkChoice(this, "authentication", props.authentication, ["secret", "iam"]);
    this.authentication = props.authentication ?? "secret";
    this.vpc = props.vpc ?? isolatedVpc(this);
    this.vpcSubnets = props.vpcSubnets ?? closedSubnets(this.vpc);
    this.secretsManagerEndpoint =
      props.vpc === undefined && this.authentication === "secret"
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
      ...given({ databaseName: props.databaseName }),
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

/** Later values override earlier ones: the profile, the props, then `instanceProps`. */
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
    ...given({ storageEncryptionKey: key }),
    ...(key !== undefined && insights ? { performanceInsightEncryptionKey: key } : {}),
    enablePerformanceInsights: insights,
    // A parameter group given by the user replaces ours.
    ...(own?.parameterGroup === undefined
      ? { parameters: { ...DATABASE_PARAMETERS, ...props.parameters } }
      : {}),
    ...(props.authentication === "iam" ? { iamAuthentication: true } : {}),
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
 * Resources that a retained instance needs: CloudFormation cannot delete the network below an instance, and without the
 * secret nobody can log in.
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

/** A VPC without any route to or from the internet. */
function isolatedVpc(scope: Construct): ec2.IVpc {
  const vpc: unknown = new ec2.Vpc(scope, "Vpc", {
    maxAzs: 2,
    natGateways: 0,
    subnetConfiguration: [{ name: "Isolated", subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 24 }],
  });
  if (isVpc(vpc)) return vpc;
  throw new TypeError("ec2.Vpc is no ec2.IVpc");
}

/** `ec2.Vpc` does not satisfy `ec2.IVpc` under `exactOptionalPropertyTypes`. */
function isVpc(value: unknown): value is ec2.IVpc {
  return value instanceof ec2.Vpc;
}

/** Secrets Manager is the only AWS service that the functions call. A rule must allow each of them in. */
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
  // Otherwise code in the VPC could send data out with the credentials of another account.
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

/** The isolated subnets, or the private ones if there are none; never public ones. */
function closedSubnets(vpc: ec2.IVpc): ec2.SubnetSelection {
  return vpc.isolatedSubnets.length > 0
    ? { subnetType: ec2.SubnetType.PRIVATE_ISOLATED }
    : { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS };
}

/** Isolated subnets in as many availability zones. */
function isolatedSubnets(vpc: ec2.IVpc, zones: number): ec2.SubnetSelection {
  return { subnets: vpc.isolatedSubnets.slice(0, zones) };
}

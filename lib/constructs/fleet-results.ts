import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as s3 from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";
import { ENV } from "../../lambda/contract.ts";
import type { PostgresMigrationsFleetProps } from "./postgres-migrations-fleet-props.ts";
import { constructError } from "./validation.ts";

/** As long as the logs. */
const RETENTION = Duration.days(365);

/** Where executions keep lists of targets and results, and who may do what there. */
export class FleetResults {
  readonly bucket: s3.IBucket;
  /** Of the functions that use the bucket. */
  readonly environment: Readonly<Record<string, string>>;
  /** Of all keys of executions. */
  private readonly prefix: string;

  constructor(scope: Construct, props: PostgresMigrationsFleetProps, fleetName: string) {
    this.bucket =
      props.resultsBucket === undefined
        ? makeBucket(scope, props)
        : givenBucket(scope, props, props.resultsBucket);
    this.environment = { [ENV.fleetBucket]: this.bucket.bucketName, [ENV.fleetPrefix]: `${fleetName}/` };
    this.prefix = `${fleetName}/executions/`;
  }

  /** Allows actions on objects of executions. @param keys what follows the prefix of executions; `*` stands for any text */
  allow(grantee: iam.IGrantable, actions: string[], keys: string): iam.Grant {
    this.bucket.encryptionKey?.grantEncryptDecrypt(grantee);
    const resourceArns = [this.bucket.arnForObjects(`${this.prefix}${keys}`)];
    return iam.Grant.addToPrincipal({ grantee, actions, resourceArns });
  }

  allowList(grantee: iam.IGrantable): iam.Grant {
    const conditions = { StringLike: { "s3:prefix": `${this.prefix}*` } };
    const resourceArns = [this.bucket.bucketArn];
    return iam.Grant.addToPrincipal({ grantee, actions: ["s3:ListBucket"], resourceArns, conditions });
  }
}

function makeBucket(scope: Construct, props: PostgresMigrationsFleetProps): s3.IBucket {
  const { resultsRetention = RETENTION, resultsRemovalPolicy = RemovalPolicy.RETAIN } = props;
  const bucket: unknown = new s3.Bucket(scope, "Results", {
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    encryption: s3.BucketEncryption.S3_MANAGED,
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    lifecycleRules: [{ expiration: resultsRetention, abortIncompleteMultipartUploadAfter: Duration.days(1) }],
    removalPolicy: resultsRemovalPolicy,
    autoDeleteObjects: resultsRemovalPolicy === RemovalPolicy.DESTROY,
  });
  if (isBucket(bucket)) return bucket;
  throw new TypeError("the bucket is no bucket");
}

/** For the compiler, a Bucket is no IBucket: it may have a property that is undefined. */
function isBucket(bucket: unknown): bucket is s3.IBucket {
  return bucket instanceof s3.Bucket;
}

function givenBucket(
  scope: Construct,
  { resultsRetention, resultsRemovalPolicy }: PostgresMigrationsFleetProps,
  bucket: s3.IBucket,
): s3.IBucket {
  if (resultsRetention === undefined && resultsRemovalPolicy === undefined) return bucket;
  throw constructError(
    scope,
    "resultsRetention and resultsRemovalPolicy are only for a bucket that the construct makes: set them on your resultsBucket",
  );
}

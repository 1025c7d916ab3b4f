import { createHash } from "node:crypto";
import { Stack } from "aws-cdk-lib";
import type * as kms from "aws-cdk-lib/aws-kms";
import type * as s3 from "aws-cdk-lib/aws-s3";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";

/** A tag of secrets. */
export interface FleetSecretTag {
  /** Key of the tag. */
  readonly key: string;
  /** Value of the tag. */
  readonly value: string;
  /**
   * Key that these secrets are encrypted with. The functions may use it for secrets; the policy of the key must let IAM
   * decide, as that of a new key does.
   * @default - the account's own key for secrets
   */
  readonly encryptionKey?: kms.IKey;
}

/** Targets that a query returns. */
export interface FleetQuery {
  /**
   * A SELECT that runs in the fleet's own database, in a read-only session. Its columns have the names of the fields of a
   * target: `name`, `host`, `port`, `database`, `schema`, `secret`, `user`; it needs `schema`, `database` or `host`. For
   * the schemas of tenants: `SELECT schema FROM public.tenants WHERE active`.
   */
  readonly sql: string;
  /**
   * Secrets that the column `secret` may name: those with this tag.
   * @default - the functions may read the fleet's own secret only
   */
  readonly secretTag?: FleetSecretTag;
}

/** Targets in an object of S3. */
export interface FleetTargetsObject {
  /** Bucket of the object. */
  readonly bucket: s3.IBucket;
  /** Key of the object: a JSON array of targets, or of names of schemas. It is read when an execution begins. */
  readonly key: string;
  /**
   * Secrets that the field `secret` of a target may name: those with this tag.
   * @default - the functions may read the fleet's own secret only
   */
  readonly secretTag?: FleetSecretTag;
}

/** One schema or database. It has a schema, a database or a host; what it leaves out is that of the fleet's own database. */
export interface FleetListTarget {
  /**
   * What results and commands call it.
   * @default - its schema, else its database, with the database and the server in front where several have it
   */
  readonly name?: string;
  /**
   * Host name of its server. Another server than that of the fleet needs a `secret` or a `user`.
   * @default - that of the fleet's own database
   */
  readonly host?: string;
  /**
   * Port of its server.
   * @default - that of the fleet's own database
   */
  readonly port?: number;
  /**
   * Name of the database.
   * @default - that of the fleet's own database
   */
  readonly database?: string;
  /**
   * Schema that takes the place of the first of `schema`; it holds the table of applied migrations.
   * @default - the schemas of the fleet
   */
  readonly schema?: string;
  /**
   * Secret with `username` and `password` as JSON. The functions may read it.
   * @default - the functions log in as they do to the fleet's own database
   */
  readonly secret?: secretsmanager.ISecret;
  /**
   * User to log in as with a token of IAM authentication. The functions are allowed to do so in the fleet's own database; for
   * another server, allow `statusFunction` and `operateFunction` to.
   * @default - that of the fleet, or of the secret
   */
  readonly user?: string;
}

/** Where the targets of a fleet come from. They are asked for at the beginning of each execution. */
export class FleetTargets {
  /** Those that a query in the fleet's own database returns. A row must not name a server that nobody intended. */
  static query(query: FleetQuery): FleetTargets {
    return new FleetTargets({ kind: "query", ...query });
  }

  /** These. A list of more than some hundreds belongs into an object of S3. */
  static list(targets: FleetListTarget[]): FleetTargets {
    return new FleetTargets({ kind: "list", targets });
  }

  /** A database for each secret with this tag. Its JSON has `host`, `port`, `dbname`, `username` and `password`. */
  static secretsByTag(tag: FleetSecretTag): FleetTargets {
    return new FleetTargets({ kind: "secretsByTag", secretTag: tag });
  }

  /** Those in a JSON object of S3. */
  static json(source: FleetTargetsObject): FleetTargets {
    return new FleetTargets({ kind: "json", ...source });
  }

  /** @internal */
  readonly _from: TargetsFrom;

  private constructor(from: TargetsFrom) {
    this._from = from;
  }
}

/** What a `FleetTargets` was made of. */
export type TargetsFrom =
  | ({ readonly kind: "query" } & FleetQuery)
  | { readonly kind: "list"; readonly targets: readonly FleetListTarget[]; readonly secretTag?: undefined }
  | { readonly kind: "secretsByTag"; readonly secretTag: FleetSecretTag }
  | ({ readonly kind: "json" } & FleetTargetsObject);

/** The targets as the functions read them. */
export function entriesOf(listed: readonly FleetListTarget[]) {
  return listed.map(({ secret, ...entry }) => ({
    ...entry,
    ...(secret === undefined ? {} : { secret: secret.secretArn }),
  }));
}

/** Longer ones are cut: a template is for people too. */
const SHOWN = 300;

/** One line for `cdk diff`. Another text runs the migrations in the next deploy. */
export function describeTargets(scope: Construct, from: TargetsFrom): string {
  switch (from.kind) {
    case "query": {
      const sql = from.sql.replaceAll(/\s+/g, " ").trim();
      return sql.length > SHOWN ? `query ${digestOf(sql)}: ${sql.slice(0, SHOWN)}…` : `query: ${sql}`;
    }
    case "json":
      return `json: s3://${from.bucket.bucketName}/${from.key}`;
    case "secretsByTag":
      return `secrets with the tag ${from.secretTag.key}=${from.secretTag.value}`;
    case "list":
      return `list of ${from.targets.length}: ${digestOf(JSON.stringify(Stack.of(scope).resolve(entriesOf(from.targets))))}`;
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

import { CustomResource, Duration, Stack, Token, Tokenization } from "aws-cdk-lib";
import type * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import { DEFAULTS, LIMITS, ROLE_ACCESS, ROLE_RESOURCE, type RoleProperties } from "../../lambda/contract.ts";
import { given, property } from "../core/index.ts";
import { isSecret } from "./database-target.ts";
import { databaseOf } from "./functions.ts";
import type { FunctionSettings } from "./migration-functions.ts";
import type { DatabaseAuthentication } from "./postgres-database-props.ts";
import type { PostgresMigrations } from "./postgres-migrations.ts";
import { rotateSecret } from "./role-rotation.ts";
import { checkChoice, constructError } from "./validation.ts";

/** What an application may do: "read" the data, "write" it, too, or be the "owner" of what the migrations make. */
export type RoleAccess = "read" | "write" | "owner";

/** Who the role is, and what it may do. */
export interface PostgresRoleProps {
  /** The migrations whose tables the role may use. They must be in the same stack. */
  readonly migrations: PostgresMigrations;
  /**
   * "read" may select from all tables and views that the migrations make. "write" may also insert, update and delete. A
   * change takes away what the role no longer may. Neither may change a table itself, nor what the history says.
   *
   * "owner" may also alter, truncate and drop what the migrations have made, and create more in `schemas`: a group,
   * `roleName` with `_owner`, becomes the owner after each deploy, and later migrations may alter all of it as before. An
   * owner is to be trusted as the migrations are: it cannot log in or act as their user, but a trigger or function that it
   * makes runs with that user's rights when a later migration meets it.
   */
  readonly access: RoleAccess;
  /** Name of the role: a small letter or underscore, then up to 62 small letters, digits and underscores. */
  readonly roleName: string;
  /**
   * Schemas whose tables the role may use. They must exist when the migrations have run.
   * @default - `schema` of the migrations
   */
  readonly schemas?: string[];
  /**
   * How the application logs in: with the password in a secret, or with a token of IAM database authentication.
   * @default - that of the migrations
   */
  readonly authentication?: DatabaseAuthentication;
  /**
   * How often Secrets Manager changes the password, from 4 hours to 1000 days. Two users take turns, `roleName` and
   * `roleName` with `_clone`, which has the same rights: the password that an application has stays valid until the next
   * but one is made. The application takes `username` from the secret too, and reads it again at least that often.
   * @default - the password is never changed
   */
  readonly rotateAfter?: Duration;
  /**
   * Key that encrypts the secret.
   * @default - the key of the account for Secrets Manager
   */
  readonly encryptionKey?: kms.IKey;
}

/**
 * A role for an application: it logs in with a password or token of its own, and may read, write or own what the migrations
 * make, in later deploys too. The application never holds the user of the migrations, who may drop every table.
 *
 * The role is made after the migrations have run, and brought to what this construct says after each change of either. A
 * rollback of the stack takes its rights back, and never fails. Deleting the construct keeps the role, because it may own
 * objects; its password is then known to nobody.
 *
 * @example
 * const database = new PostgresDatabase(this, "Database", { databaseName: "shop" });
 * const migrations = new PostgresMigrations(this, "Migrations", { database, migrationsDir: "migrations" });
 * const role = new PostgresRole(this, "ApiRole", { migrations, access: "write", roleName: "api" });
 * const api = new lambda.Function(this, "Api", {
 *   runtime: lambda.Runtime.NODEJS_22_X,
 *   handler: "index.handler",
 *   code: lambda.Code.fromInline("exports.handler = async () => {};"),
 *   environment: { SECRET_ARN: role.secret.secretArn },
 * });
 * role.grantConnect(api);
 * role.executeBefore(api);
 *
 * @example
 * // A new password every 30 days.
 * const database = new PostgresDatabase(this, "Database", { databaseName: "shop" });
 * const migrations = new PostgresMigrations(this, "Migrations", { database, migrationsDir: "migrations" });
 * new PostgresRole(this, "ReportsRole", {
 *   migrations,
 *   access: "read",
 *   roleName: "reports",
 *   rotateAfter: Duration.days(30),
 * });
 */
export class PostgresRole extends Construct {
  /** Name of the role. */
  readonly roleName: string;
  /** Alarm for a rotation that fails, with the action of the migrations' `alarmTopic`; undefined without `rotateAfter`. */
  readonly rotationAlarm: cloudwatch.Alarm | undefined;
  /**
   * The migrations whose tables the role owns.
   * @internal
   */
  readonly _owns: PostgresMigrations | undefined;
  private readonly resource: CustomResource;
  private readonly ownSecret: secretsmanager.ISecret | undefined;
  private readonly settings: FunctionSettings;

  /** @throws Error that names the construct, if a prop is invalid or the migrations are in another stack */
  constructor(scope: Construct, id: string, props: PostgresRoleProps) {
    super(scope, id);
    const { migrations, roleName, access } = props;
    const { settings, resource } = migrations._forRoles;
    this.settings = settings;
    this.roleName = roleName;
    checkProps(this, props);
    this._owns = access === "owner" ? migrations : undefined;
    requireOneOwner(this);
    const authentication = props.authentication ?? authenticationOf(settings);
    checkAuthentication(this, authentication, settings);
    if (authentication === "iam" && props.rotateAfter !== undefined) {
      throw constructError(
        this,
        'rotateAfter is only for `authentication: "secret"`; with "iam" there is no password',
      );
    }
    this.ownSecret = authentication === "iam" ? undefined : roleSecret(this, props, settings);
    const properties: RoleProperties = {
      Role: roleName,
      Access: access,
      Schemas: props.schemas ?? schemasOf(settings),
      Database: databaseOf(settings),
      MigrationsHash: settings.asset.manifest.hash,
      ...given({ Secret: this.ownSecret?.secretArn }),
    };
    this.resource = new CustomResource(this, "Resource", {
      serviceToken: migrations._forRoles.serviceToken,
      resourceType: ROLE_RESOURCE,
      serviceTimeout: Duration.seconds(LIMITS.roleServiceTimeout),
      properties: { ...properties },
    });
    this.resource.node.addDependency(resource);
    this.ownSecret?.grantRead(migrations.deployFunction).applyBefore(this.resource);
    const { ownSecret: secret, resource: roleResource } = this;
    this.rotationAlarm =
      secret === undefined || props.rotateAfter === undefined
        ? undefined
        : rotateSecret(this, {
            ...{ secret, roleName, roleResource, rotateAfter: props.rotateAfter },
            ...{ migrations: migrations._forRoles, encryptionKey: props.encryptionKey },
          });
  }

  /**
   * Secret with `username`, `password`, `engine`, `host`, `port` and `dbname` as JSON, as RDS writes it.
   * @throws Error with IAM authentication, which has no secret
   */
  get secret(): secretsmanager.ISecret {
    if (this.ownSecret !== undefined) return this.ownSecret;
    throw constructError(this, 'there is no secret: authentication is "iam"');
  }

  /** Allows the grantee to log in as the role: to read its secret, or to connect with a token. */
  grantConnect(grantee: iam.IGrantable): void {
    if (this.ownSecret !== undefined) this.ownSecret.grantRead(grantee);
    else this.settings.target.grantConnect?.(grantee, this.roleName);
  }

  /** Creates and changes these constructs only when the role has its rights. */
  executeBefore(...constructs: Construct[]): void {
    for (const construct of constructs) construct.node.addDependency(this.resource);
  }
}

function checkProps(scope: Construct, props: PostgresRoleProps): void {
  const { migrations, roleName, access, authentication, schemas } = props;
  checkChoice(scope, "access", access, ROLE_ACCESS);
  checkChoice(scope, "authentication", authentication, ["secret", "iam"]);
  if (Stack.of(migrations) !== Stack.of(scope)) {
    throw constructError(
      scope,
      "a role must be in the stack of its migrations: their functions ask whether that stack is rolling back",
    );
  }
  if (Token.isUnresolved(roleName) || !/^(?!pg_|rds)[a-z_][a-z0-9_]{0,62}$/.test(roleName)) {
    throw constructError(
      scope,
      `roleName "${roleName}" must be a small letter or underscore, then up to 62 small letters, digits and underscores; ` +
        "it cannot begin with pg_ or rds",
    );
  }
  checkRotation(scope, props);
  checkSuffixes(scope, props);
  if (schemas?.length === 0) throw constructError(scope, "schemas must name at least one, not []");
}

/** A second one would own only what is made after the first one had its turn. */
function requireOneOwner(role: PostgresRole): void {
  if (role._owns === undefined) return;
  const other = Stack.of(role)
    .node.findAll()
    .find((one) => one instanceof PostgresRole && one !== role && one._owns === role._owns);
  if (other === undefined) return;
  throw constructError(
    role,
    `${other.node.path} already owns what these migrations make: give one of them \`access: "write"\``,
  );
}

/** As Secrets Manager has it. */
const ROTATION = { shortest: Duration.hours(4), longest: Duration.days(1000) } as const;

function checkRotation(scope: Construct, { rotateAfter }: PostgresRoleProps): void {
  if (rotateAfter === undefined) return;
  const hours = rotateAfter.toHours({ integral: false });
  if (hours < ROTATION.shortest.toHours() || hours > ROTATION.longest.toHours() || !Number.isInteger(hours)) {
    throw constructError(
      scope,
      `rotateAfter must be whole hours from 4 hours to 1000 days, not ${rotateAfter.toHumanString()}`,
    );
  }
}

/** Other roles have these behind the name of the role. */
function checkSuffixes(scope: Construct, { rotateAfter, access, roleName }: PostgresRoleProps): void {
  const [suffix] = [
    ...(rotateAfter === undefined ? [] : ["_clone"]),
    ...(access === "owner" ? ["_owner"] : []),
  ];
  if (suffix === undefined || roleName.length + suffix.length <= 63) return;
  throw constructError(
    scope,
    `roleName "${roleName}" must have at most ${63 - suffix.length} characters: there is another role with \`${suffix}\` behind it`,
  );
}

function authenticationOf({ logins }: FunctionSettings): DatabaseAuthentication {
  return logins.main.kind;
}

/** Without a secret of their own, the functions may have no way to Secrets Manager. */
function checkAuthentication(
  scope: Construct,
  authentication: DatabaseAuthentication,
  { logins, target }: FunctionSettings,
): void {
  if (authentication === "secret" && logins.main.kind === "iam") {
    throw constructError(
      scope,
      '`authentication: "secret"` needs migrations with a secret: those with "iam" have no way to Secrets Manager',
    );
  }
  if (authentication === "iam" && target.grantConnect === undefined) {
    throw constructError(
      scope,
      '`authentication: "iam"` needs the resource id of the database: see `authentication` of the migrations',
    );
  }
}

function roleSecret(
  scope: Construct,
  { roleName, encryptionKey }: PostgresRoleProps,
  { target, databaseName }: FunctionSettings,
): secretsmanager.ISecret {
  const template = {
    ...{ engine: "postgres", host: target.host, port: Tokenization.stringifyNumber(target.port) },
    ...{ dbname: databaseName, username: roleName },
  };
  // It does not satisfy its interface under `exactOptionalPropertyTypes`.
  const secret: unknown = new secretsmanager.Secret(scope, "Secret", {
    description: `Postgres role ${roleName}`,
    generateSecretString: {
      secretStringTemplate: Stack.of(scope).toJsonString(template),
      generateStringKey: "password",
      passwordLength: 32,
      // As RDS has it, and what connection strings and shells would need to escape.
      excludeCharacters: " %+~`#$&*()|[]{}:;<>?!'/@\"\\",
    },
    ...given({ encryptionKey }),
  });
  if (isSecret(secret)) return secret;
  throw new TypeError("secretsmanager.Secret is no ISecret");
}

function schemasOf({ options }: FunctionSettings): string[] {
  const schema = property(JSON.parse(options), "schema");
  return Array.isArray(schema) ? schema.map(String) : [DEFAULTS.schema];
}

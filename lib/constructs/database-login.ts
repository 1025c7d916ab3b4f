import { Token } from "aws-cdk-lib";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";
import { ENV } from "../../lambda/contract.ts";
import type { DatabaseTarget } from "./database-target.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import type { MigrationsProps } from "./postgres-migrations-props.ts";
import { checkChoice, constructError } from "./validation.ts";

/** How a function logs in to the database. */
export type DatabaseLogin =
  | { readonly kind: "secret"; readonly secret: secretsmanager.ISecret }
  | { readonly kind: "iam"; readonly user: string; readonly grant: Grant };

type Grant = NonNullable<DatabaseTarget["grantConnect"]>;

/** The login of the deploy and operate functions, and that of the status function. */
export interface DatabaseLogins {
  readonly main: DatabaseLogin;
  readonly status: DatabaseLogin;
}

/** @throws Error if a prop is missing, or belongs to the other kind of authentication */
export function databaseLogins(
  scope: Construct,
  props: MigrationsProps,
  target: DatabaseTarget,
): DatabaseLogins {
  checkChoice(scope, "authentication", props.authentication, ["secret", "iam"]);
  return authenticationOf(props) === "iam"
    ? iamLogins(scope, props, target)
    : secretLogins(scope, props, target);
}

function authenticationOf({ authentication, database }: MigrationsProps): "secret" | "iam" {
  return (
    authentication ?? (database instanceof PostgresDatabase ? database.authentication : undefined) ?? "secret"
  );
}

function secretLogins(scope: Construct, props: MigrationsProps, target: DatabaseTarget): DatabaseLogins {
  refuse(scope, props, ["username", "statusUsername"], '`authentication: "iam"`; a secret has its own user');
  const secret = props.secret ?? target.secret;
  if (secret === undefined) throw constructError(scope, "secret is required: this database has none");
  return {
    main: { kind: "secret", secret },
    status: { kind: "secret", secret: props.statusSecret ?? secret },
  };
}

/** What follows what cannot be allowed. */
export const NO_RESOURCE_ID =
  "needs the resource id of the database, to allow connections to it and no other: give `instanceResourceId` or " +
  "`clusterResourceIdentifier` to its import, or `resourceId` to the endpoint";

function iamLogins(scope: Construct, props: MigrationsProps, target: DatabaseTarget): DatabaseLogins {
  refuse(
    scope,
    props,
    ["secret", "statusSecret"],
    '`authentication: "secret"`; with "iam" no secret is read',
  );
  const { username, statusUsername = username } = props;
  const { grantConnect: grant } = target;
  if (username === undefined || statusUsername === undefined) {
    throw constructError(
      scope,
      'username is required with `authentication: "iam"`: a database user that is granted rds_iam',
    );
  }
  if (grant === undefined) {
    throw constructError(scope, `\`authentication: "iam"\` ${NO_RESOURCE_ID}`);
  }
  checkUser(scope, "username", username);
  checkUser(scope, "statusUsername", statusUsername);
  return {
    main: { kind: "iam", user: username, grant },
    status: { kind: "iam", user: statusUsername, grant },
  };
}

function refuse(
  scope: Construct,
  props: MigrationsProps,
  names: readonly ("username" | "statusUsername" | "secret" | "statusSecret")[],
  needed: string,
): void {
  const found = names.find((name) => props[name] !== undefined);
  if (found !== undefined) throw constructError(scope, `${found} is only for ${needed}`);
}

/** The user becomes part of an ARN, where `*` and `?` would allow other users. */
export function checkUser(scope: Construct, prop: string, user: string): void {
  if (Token.isUnresolved(user) || /^[A-Za-z_][\w$.@-]{0,62}$/.test(user)) return;
  throw constructError(
    scope,
    `${prop} "${user}" must be a database user: a letter, then up to 62 letters, digits, or one of _ $ . @ -`,
  );
}

/** Gives the function what it logs in with: never a secret itself. */
export function loginEnvironment(login: DatabaseLogin): Record<string, string> {
  return login.kind === "secret" ? { [ENV.secretArn]: login.secret.secretArn } : { [ENV.user]: login.user };
}

/** Allows the function to log in. */
export function grantLogin(login: DatabaseLogin, handler: lambda.Function): void {
  if (login.kind === "secret") login.secret.grantRead(handler);
  else login.grant(handler, login.user);
}

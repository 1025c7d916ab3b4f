import { isAbsolute, join } from "node:path";
import * as v from "valibot";
import { MigrationError, type MigratorOptions, OPTIONS, type OptionName } from "../../lib/core/index.ts";
import { ENV } from "../contract.ts";
import { problemsOf } from "./schema.ts";

/** The settings in the environment, which the construct sets: where to connect, and the options of the engine. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly login: Login;
  /** Region of the function, and of a database that it connects to with a token. */
  readonly region: string | undefined;
  /** Folder of the asset. */
  readonly root: string;
  /** Absolute; undefined for the default certificates. */
  readonly caFile: string | undefined;
  readonly options: MigratorOptions;
  readonly revision: string | undefined;
}

/** How a function gets its user and password: from a secret, or with a token that its role signs. */
export type Login =
  | { readonly kind: "secret"; readonly secretArn: string }
  | { readonly kind: "iam"; readonly user: string };

const milliseconds = v.exactOptional(v.pipe(v.number(), v.minValue(0)));

const Options = v.strictObject({
  schema: v.exactOptional(v.array(v.string())),
  createSchema: v.exactOptional(v.boolean()),
  migrationsSchema: v.exactOptional(v.string()),
  migrationsTable: v.exactOptional(v.string()),
  decamelize: v.exactOptional(v.boolean()),
  order: v.exactOptional(v.picklist(OPTIONS.order.choices)),
  transaction: v.exactOptional(v.picklist(OPTIONS.transaction.choices)),
  lockWaitMs: milliseconds,
  lockTimeoutMs: milliseconds,
  lockRetries: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  lockRetryDelayMs: milliseconds,
  statementTimeoutMs: milliseconds,
  onDeadline: v.exactOptional(v.picklist(OPTIONS.onDeadline.choices)),
  maxLockMs: milliseconds,
  connectTimeoutMs: milliseconds,
  startingWaitMs: milliseconds,
  databaseWaitMs: milliseconds,
  preflight: v.exactOptional(v.picklist(OPTIONS.preflight.choices)),
  oldTransactionMs: milliseconds,
  replicaLagMs: milliseconds,
} satisfies Readonly<Record<OptionName, v.GenericSchema>>);

const Environment = v.object({
  [ENV.host]: v.pipe(v.string(), v.nonEmpty()),
  [ENV.port]: v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number), v.maxValue(65_535)),
  [ENV.database]: v.pipe(v.string(), v.nonEmpty()),
  [ENV.caFile]: v.optional(v.string()),
  [ENV.options]: v.optional(v.pipe(v.string(), v.parseJson(), Options), "{}"),
  [ENV.revision]: v.optional(v.string()),
  AWS_REGION: v.optional(v.string()),
});

const text = v.pipe(v.string(), v.nonEmpty());
const WithUser = v.object({ ...Environment.entries, [ENV.user]: text });
const WithSecret = v.object({ ...Environment.entries, [ENV.secretArn]: text });

export type Environment = Readonly<Record<string, string | undefined>>;

/** Folder of the asset. */
export function readRoot(env: Environment): string {
  return env["LAMBDA_TASK_ROOT"] ?? process.cwd();
}

/** @throws MigrationError `ASSET` that names the invalid variables */
export function readSettings(env: Environment): Settings {
  const parsed = v.safeParse(env[ENV.user] === undefined ? WithSecret : WithUser, env);
  if (!parsed.success) {
    throw new MigrationError(
      "ASSET",
      `the function's environment is not right: ${problemsOf(parsed.issues)}`,
      {
        hint: "The construct sets these variables: deploy again, and leave them as they are.",
      },
    );
  }
  const { output } = parsed;
  const caFile = output[ENV.caFile];
  const root = readRoot(env);
  return {
    root,
    host: output[ENV.host],
    port: output[ENV.port],
    database: output[ENV.database],
    login:
      ENV.user in output
        ? { kind: "iam", user: output[ENV.user] }
        : { kind: "secret", secretArn: output[ENV.secretArn] },
    region: output.AWS_REGION,
    caFile: caFile === undefined || isAbsolute(caFile) ? caFile : join(root, caFile),
    options: output[ENV.options],
    revision: output[ENV.revision],
  };
}

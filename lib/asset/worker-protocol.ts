import { type ErrorDetails, given, type Manifest, MigrationError } from "../core/index.ts";
import type { ReadFolderOptions } from "../folder/index.ts";

/** What to put into the asset that all functions share. */
export interface AssetRequest extends ReadFolderOptions {
  /** Folder of migrations, absolute or relative to the working directory. */
  readonly migrationsDir: string;
  /**
   * Which functions the asset is for.
   * @default "one database": without the handlers of a fleet, which bring clients of more services
   */
  readonly functions?: "one database" | "fleet";
  /** Folder with the handlers: either sources (on-deploy.ts, …) or the output of `buildHandlers` (on-deploy.mjs, …). */
  readonly handlersDir: string;
  /**
   * PEM text of the certificates to trust, put into the asset as `ca.pem`.
   * @default - the asset has no such file
   */
  readonly ca?: string;
  /**
   * Text of the file of an approved plan, put into the asset.
   * @default - the asset has no such file
   */
  readonly approvedPlan?: string;
  /**
   * Where finished assets are cached. They are deployed: no other user may be able to write there.
   * @default - node_modules/.cache/cdk-pg-migrate of the package the migrations are in, else a private temporary folder
   */
  readonly cacheDir?: string;
}

export interface BuiltAsset {
  /** Absolute path of a finished folder, named by its hash and never changed. */
  readonly dir: string;
  /** SHA-256 (hex) over the names and contents of its files: the same on every machine, folder and operating system. */
  readonly hash: string;
  readonly manifest: Manifest;
}

/** A request as the worker process reads it from standard input. */
export interface WorkerRequest extends AssetRequest {
  /** See `exportsFile` of the folder. */
  readonly exportsFile: string;
  /** Differs when this tool would make another asset of the same request. */
  readonly tool: string;
}

/** The last line that the worker process prints. Both processes run the same version of this code. */
export type WorkerAnswer =
  | { readonly asset: BuiltAsset; readonly error?: never }
  | { readonly error: WorkerError };

type WorkerError = Pick<MigrationError, "code" | "message"> & {
  readonly details: Pick<ErrorDetails, "hint" | "problems">;
};

export function errorAnswer({ code, message, details }: MigrationError): WorkerAnswer {
  const { hint, problems } = details;
  return {
    error: {
      code,
      message,
      details: given({ hint, problems }),
    },
  };
}

/**
 * The asset; undefined when the line is no answer.
 * @throws MigrationError as it was thrown in the worker process.
 */
export function readAnswer(line: string): BuiltAsset | undefined {
  const answer = parseAnswer(line);
  if (answer?.error === undefined) return answer?.asset;
  const { code, message, details } = answer.error;
  throw new MigrationError(code, message, details);
}

function parseAnswer(line: string): WorkerAnswer | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

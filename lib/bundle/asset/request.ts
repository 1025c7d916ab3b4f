import type { Manifest } from "../../core/index.ts";
import type { ReadFolderOptions } from "../listing.ts";

/** What to put into the asset that all functions share. */
export interface AssetRequest extends ReadFolderOptions {
  /** Folder of migrations, absolute or relative to the working directory. */
  readonly migrationsDir: string;
  /** Folder with the handlers: either sources (on-deploy.ts, …) or what `buildHandlers` made of them (on-deploy.mjs, …). */
  readonly handlersDir: string;
  /**
   * PEM text of the certificates to trust, put into the asset as `ca.pem`.
   * @default - the asset has no such file
   */
  readonly ca?: string;
  /**
   * Where finished assets are kept. What lies there is deployed: nobody else may write to it.
   * @default - node_modules/.cache/cdk-pg-migrate of the package the migrations are in, else a private temporary folder
   */
  readonly cacheDir?: string;
}

export interface BuiltAsset {
  /** Absolute path of a finished folder, named by its hash; never changed after it was made. */
  readonly dir: string;
  /** SHA-256 (hex) over the names and contents of its files: the same on every machine, folder and operating system. */
  readonly hash: string;
  readonly manifest: Manifest;
}

/** A request on its way to the process that does the work. */
export interface WorkerRequest extends AssetRequest {
  /** Folder of this room, and what its files end in. */
  readonly own: { readonly folder: string; readonly extension: string };
  /** Differs when this tool would make another asset of the same request. */
  readonly tool: string;
}

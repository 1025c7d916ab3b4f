import type { OnLoadResult, OnResolveArgs, OnResolveResult, PartialMessage, Plugin } from "esbuild";
import type { Target } from "./targets.ts";

export type PackageTarget = Extract<Target, { readonly kind: "package" }>;

/** What compiled code finds where it will run: its project and its packages, or nothing but itself. */
export interface Surroundings {
  /** Whether esbuild shall list what went into the code. */
  readonly metafile: boolean;
  /** Goes before all compiled code. */
  readonly banner: string;
  /** What the entry module does with the function that evaluates a migration, as source text. */
  readonly entry: EntryText;
  /** A statement that declares the names in `SELF` for the module at this absolute path. */
  selfKnowledge(path: string): string;
  /** What is wrong with a local module in these surroundings. */
  check(path: string, text: string): Promise<readonly PartialMessage[]>;
  /** How an import of a package is answered; undefined: esbuild compiles the package as well. */
  packageAnswer(target: PackageTarget, args: OnResolveArgs): OnResolveResult | undefined;
  /** What an import of compiled machine code leads to. */
  binary(path: string): OnLoadResult;
  /** Takes care of everything that is neither the entry nor a local module; asked first. */
  readonly plugin: Plugin;
}

export interface EntryText {
  /** Statements before the map. */
  readonly head: string;
  /** The value of the map for a migration that `load` (a function's source text) evaluates. */
  value(load: string): string;
}

/** A function as Lambda knows it. */
export interface FunctionSettings {
  readonly name: string;
  readonly arn: string;
  /** `file.export`. */
  readonly handler: string;
  /** Name of its code in the asset bucket: other code has another. */
  readonly code: string;
  /** Folder with that code. */
  readonly root: string;
  /** The template's and the service's variables. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  readonly logGroup: string;
  readonly logFormat: "JSON" | "Text";
  /** In JSON, what is below it is not written. */
  readonly logLevel: string;
  /** The Node that runs it. */
  readonly node: string;
  readonly nodeOptions: readonly string[];
}

/** Whether a process of one can go on serving the other: Lambda keeps it as long as nothing was updated. */
export function isSameFunction(one: FunctionSettings, other: FunctionSettings): boolean {
  return describe(one) === describe(other);
}

function describe({ root: _, ...rest }: FunctionSettings): string {
  return JSON.stringify(rest);
}

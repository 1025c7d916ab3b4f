import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import * as v from "valibot";
import { ASSET, ROLE_RESOURCE } from "../../../lambda/contract.ts";

const AnyObject = v.record(v.string(), v.unknown());

const Template = v.object({
  Parameters: v.optional(v.record(v.string(), v.object({ Default: v.optional(v.string()) })), {}),
  Resources: v.record(
    v.string(),
    v.object({
      Type: v.string(),
      Properties: v.optional(AnyObject, {}),
      DependsOn: v.optional(v.union([v.string(), v.array(v.string())]), []),
    }),
  ),
  Outputs: v.optional(v.record(v.string(), v.object({ Value: v.unknown() })), {}),
});

const Assets = v.object({
  files: v.record(
    v.string(),
    v.object({
      source: v.object({ path: v.string(), packaging: v.string() }),
      destinations: v.record(v.string(), v.object({ objectKey: v.string() })),
    }),
  ),
});

const MachineProperties = v.object({
  DefinitionString: v.unknown(),
  DefinitionSubstitutions: v.optional(AnyObject, {}),
});

const FunctionProperties = v.object({
  Handler: v.string(),
  Code: v.object({ S3Key: v.string() }),
  Timeout: v.optional(v.number(), 3),
  Environment: v.optional(v.object({ Variables: AnyObject }), { Variables: {} }),
  LoggingConfig: v.optional(
    v.object({
      LogGroup: v.optional(v.unknown()),
      LogFormat: v.optional(v.picklist(["JSON", "Text"])),
      ApplicationLogLevel: v.optional(v.string()),
    }),
    {},
  ),
});

export interface TemplateFunction {
  readonly logicalId: string;
  readonly handler: string;
  /** Name of its code in the asset bucket. */
  readonly code: string;
  /** Folder that is zipped to be its code. */
  readonly root: string;
  readonly timeoutSeconds: number;
  /** With references. */
  readonly environment: Readonly<Record<string, unknown>>;
  readonly logGroup: unknown;
  readonly logFormat: "JSON" | "Text";
  readonly logLevel: string;
}

/** A state machine, with references. */
export interface TemplateMachine {
  readonly definition: unknown;
  /** What stands for `${name}` in the definition. */
  readonly substitutions: Readonly<Record<string, unknown>>;
}

export interface CustomResource {
  readonly logicalId: string;
  readonly type: string;
  /** With references; `ServiceToken` is among them. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** A stack as `cdk synth` made it. */
export interface Assembly {
  readonly directory: string;
  readonly resources: Readonly<Record<string, { readonly Type: string }>>;
  readonly parameters: Readonly<Record<string, { readonly Default?: string | undefined }>>;
  readonly outputs: Readonly<Record<string, { readonly Value?: unknown }>>;
  readonly functions: readonly TemplateFunction[];
  /** By logical id. */
  readonly stateMachines: Readonly<Record<string, TemplateMachine>>;
  /** The one that the provider framework serves. */
  readonly customResource: CustomResource;
}

/** Reads the one stack of a `cdk.out`. */
export function readAssembly(directory: string): Assembly {
  const [file, ...others] = readdirSync(directory).filter((name) => name.endsWith(".template.json"));
  if (file === undefined || others.length > 0) throw new Error(`not exactly one stack in ${directory}`);
  const template = v.parse(Template, readJson(join(directory, file)));
  const assets = v.parse(
    Assets,
    readJson(join(directory, `${basename(file, ".template.json")}.assets.json`)),
  );
  const folders = new Map(
    Object.values(assets.files).flatMap(({ source, destinations }) =>
      Object.values(destinations).map(({ objectKey }) => [objectKey, join(directory, source.path)] as const),
    ),
  );
  const functions = Object.entries(template.Resources).flatMap(([id, { Type, Properties }]) =>
    Type === "AWS::Lambda::Function" && isObject(Properties["Code"]) && "S3Key" in Properties["Code"]
      ? [readFunction(id, Properties, folders)]
      : [],
  );
  return {
    directory,
    resources: template.Resources,
    parameters: template.Parameters,
    outputs: template.Outputs,
    functions,
    stateMachines: Object.fromEntries(
      Object.entries(template.Resources).flatMap(([id, { Type, Properties }]) =>
        Type === "AWS::StepFunctions::StateMachine" ? [[id, readMachine(Properties)]] : [],
      ),
    ),
    customResource: findCustomResource(template.Resources, functions),
  };
}

function readMachine(properties: unknown): TemplateMachine {
  const { DefinitionString: definition, DefinitionSubstitutions: substitutions } = v.parse(
    MachineProperties,
    properties,
  );
  return { definition, substitutions };
}

function readFunction(
  logicalId: string,
  properties: unknown,
  folders: ReadonlyMap<string, string>,
): TemplateFunction {
  const { Handler, Code, Timeout, Environment, LoggingConfig } = v.parse(FunctionProperties, properties);
  const root = folders.get(Code.S3Key);
  if (root === undefined) throw new Error(`${logicalId}: no asset ${Code.S3Key}`);
  return {
    logicalId,
    handler: Handler,
    code: Code.S3Key,
    root,
    timeoutSeconds: Timeout,
    environment: Environment.Variables,
    logGroup: LoggingConfig.LogGroup,
    logFormat: LoggingConfig.LogFormat ?? "Text",
    logLevel: LoggingConfig.ApplicationLogLevel ?? "INFO",
  };
}

function findCustomResource(
  resources: v.InferOutput<typeof Template>["Resources"],
  functions: readonly TemplateFunction[],
): CustomResource {
  const frameworks = functions.filter(isFrameworkEntry).map(({ logicalId }) => logicalId);
  const found = Object.entries(resources).filter(([, { Type, Properties }]) => {
    // A scenario sends the requests for a role itself.
    if (Type === ROLE_RESOURCE) return false;
    const token = JSON.stringify(Properties["ServiceToken"] ?? "");
    return frameworks.some((id) => token === JSON.stringify({ "Fn::GetAtt": [id, "Arn"] }));
  });
  const [first, ...others] = found;
  if (first === undefined || others.length > 0) {
    throw new Error(`${found.length} custom resources of the provider framework, expected 1`);
  }
  const [logicalId, { Type, Properties }] = first;
  return { logicalId, type: Type, properties: Properties };
}

export function isFramework({ handler }: { readonly handler: string }): boolean {
  return handler.startsWith("framework.");
}

/** The function of the framework that CloudFormation calls. */
export function isFrameworkEntry({ handler }: { readonly handler: string }): boolean {
  return handler === "framework.onEvent";
}

/** The functions in front of the deploy function. */
export function isStackEvent({ handler }: { readonly handler: string }): boolean {
  return handler === ASSET.stackEventHandler || handler === ASSET.isCompleteHandler;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"));
}

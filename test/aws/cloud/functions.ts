import { ENV } from "../../../lambda/contract.ts";
import type { FunctionSettings } from "../lambda/function.ts";
import { type Physical, text } from "./intrinsics.ts";
import { ACCOUNT, REGION, STACK_NAME } from "./physical-names.ts";
import type { Services, Surroundings } from "./services.ts";
import { type Assembly, isFramework, isStackEvent, type TemplateFunction } from "./template.ts";

/** What a test changes about the functions of the asset. */
export interface Changes {
  readonly environment?: Readonly<Record<string, string>>;
  /** Of the functions, and of a whole deploy unless that is given. */
  readonly timeoutSeconds?: number;
  readonly deployTimeoutSeconds?: number;
}

/** The functions of the assembly that take part, as Lambda would have them. */
export function settingsOf(
  assembly: Assembly,
  physical: Physical,
  services: Services,
  changes: Changes,
): FunctionSettings[] {
  return assembly.functions.map((found) => {
    if (isFramework(found)) return settings(found, physical, [services.everywhere, services.framework], {});
    return settings(found, physical, [services.everywhere], isStackEvent(found) ? timesIn(changes) : changes);
  });
}

/** The functions between CloudFormation and the deploy function know how long all of it may take. */
function timesIn({ timeoutSeconds, deployTimeoutSeconds = timeoutSeconds }: Changes): Changes {
  return deployTimeoutSeconds === undefined
    ? {}
    : { environment: { [ENV.deployTimeout]: String(deployTimeoutSeconds) } };
}

function settings(
  found: TemplateFunction,
  physical: Physical,
  surroundings: readonly Surroundings[],
  changes: Changes,
): FunctionSettings {
  const name = functionName(found);
  const { LAMBDA_NODE = process.execPath } = process.env;
  const fromTemplate = Object.entries(found.environment).map(([key, value]) => [key, text(value, physical)]);
  const around = surroundings.map(({ environment }) => environment);
  return {
    name,
    arn: `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${name}`,
    handler: found.handler,
    code: found.code,
    root: found.root,
    environment: Object.assign({}, ...around, Object.fromEntries(fromTemplate), changes.environment),
    timeoutSeconds: changes.timeoutSeconds ?? found.timeoutSeconds,
    logGroup: found.logGroup === undefined ? `/aws/lambda/${name}` : text(found.logGroup, physical),
    logFormat: found.logFormat,
    logLevel: found.logLevel,
    node: LAMBDA_NODE,
    nodeOptions: surroundings.flatMap(({ nodeOptions }) => nodeOptions),
  };
}

export function functionName({ logicalId }: TemplateFunction): string {
  return `${STACK_NAME}-${logicalId}`;
}

import type { Construct, IConstruct } from "constructs";

/** An error of synthesis that says which construct it is about. */
export function constructError(scope: IConstruct, message: string): Error {
  return new Error(`${scope.node.path}: ${message}`);
}

/** @throws Error for a value that the type does not have; it comes from JavaScript */
export function checkChoice<T extends string>(
  scope: Construct,
  prop: string,
  value: T | undefined,
  choices: readonly T[],
): void {
  if (value === undefined || choices.includes(value)) return;
  throw constructError(
    scope,
    `${prop} must be ${choices.map((one) => `"${one}"`).join(" or ")}, not "${value}"`,
  );
}

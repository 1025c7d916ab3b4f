import type { Construct, IConstruct } from "constructs";

/** An error whose message begins with the path of the construct. */
export function constructError(scope: IConstruct, message: string): Error {
  return new Error(`${scope.node.path}: ${message}`);
}

/** @throws Error if the value is not in the type, which is possible in JavaScript */
export function checkChoice<T extends string>(
  scope: Construct,
  prop: string,
  value: T | undefined,
  choices: readonly T[],
): void {
  if (value === undefined || choices.includes(value)) return;
  throw constructError(
    scope,
    `${prop} must be ${choices.map((choice) => `"${choice}"`).join(" or ")}, not "${value}"`,
  );
}

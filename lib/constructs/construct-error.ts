import type { IConstruct } from "constructs";

/** An error of synthesis that says which construct it is about. */
export function constructError(scope: IConstruct, message: string): Error {
  return new Error(`${scope.node.path}: ${message}`);
}

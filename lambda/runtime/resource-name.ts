/** `<stack>/<logical id>` of a custom resource, as the history and the log call it. */
export function resourceName(stackId: string, logicalId: string): string {
  // arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>
  return `${/:stack\/([^/]+)\//.exec(stackId)?.[1] ?? stackId}/${logicalId}`;
}

/** Constant: another one would mean a replacement, and a Delete of the old. */
export function physicalIdOf(resource: string): string {
  return `migrations:${resource}`;
}

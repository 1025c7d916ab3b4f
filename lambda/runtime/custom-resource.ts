/** The name of a custom resource in the history and the log: `<stack>/<logical id>`. */
export function resourceName(stackId: string, logicalId: string): string {
  // arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>
  return `${/:stack\/([^/]+)\//.exec(stackId)?.[1] ?? stackId}/${logicalId}`;
}

/** It never changes: CloudFormation would replace the resource, and send a Delete for the old one. */
export function physicalIdOf(resource: string): string {
  return `migrations:${resource}`;
}

const MARK = " … ";

/** Cuts the middle out of a text that is longer, in bytes of UTF-8: both ends tell more. It splits no character. */
export function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const room = bytes - Buffer.byteLength(MARK);
  const head = Math.ceil((room * 2) / 3);
  const all = Buffer.from(text);
  const front = new TextDecoder().decode(all.subarray(0, head)).replace(/\ufffd+$/, "");
  const back = new TextDecoder().decode(all.subarray(all.length - (room - head))).replace(/^\ufffd+/, "");
  return front + MARK + back;
}

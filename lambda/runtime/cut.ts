const MARK = " … ";

/** Both ends of a text tell more than its middle. In bytes of UTF-8, and never through a character. */
export function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const room = bytes - Buffer.byteLength(MARK);
  const head = Math.ceil((room * 2) / 3);
  const all = Buffer.from(text);
  const front = new TextDecoder().decode(all.subarray(0, head)).replace(/\ufffd+$/, "");
  const back = new TextDecoder().decode(all.subarray(all.length - (room - head))).replace(/^\ufffd+/, "");
  return front + MARK + back;
}

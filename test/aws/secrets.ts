import { randomBytes } from "node:crypto";
import type { Emission } from "./recorder.ts";

interface Secret {
  readonly whole: string;
  /** A part that is the same in JSON, in a URL and in SQL. */
  readonly core: string;
}

/** The secrets of a test file, and the search for them. */
export class Secrets {
  readonly #secrets: Secret[] = [];

  /** @param around characters that have another form in JSON, in a URL or in SQL */
  make(around: string): string {
    const core = randomBytes(9).toString("hex");
    const secret = { whole: `${around}${core}${around}`, core };
    this.#secrets.push(secret);
    return secret.whole;
  }

  /** A secret that a function has made. */
  add(secret: string): void {
    this.#secrets.push({ whole: secret, core: secret });
  }

  /** The emissions with one of them in any of its forms, shortened. */
  foundIn(emissions: readonly Emission[]): string[] {
    const forms = this.#secrets.flatMap(({ whole, core }) => [core, ...encodingsOf(whole)]);
    return emissions.flatMap(({ source, kind, text }) => {
      const form = forms.find((candidate) => text.includes(candidate));
      if (form === undefined) return [];
      const at = text.indexOf(form);
      return [`${kind} of ${source}: ${text.slice(Math.max(0, at - 200), at + form.length)}`];
    });
  }
}

function encodingsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [bytes.toString("base64").replace(/=+$/, ""), bytes.toString("base64url"), bytes.toString("hex")];
}

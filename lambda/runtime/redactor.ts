/**
 * The last fence around secrets: whatever leaves a function goes through here, and what it was told of is taken out.
 * Errors and logs hold no secret in the first place; a server's message or a migration's own text may.
 */
export interface Redactor {
  /** From now on this text is taken out, also as it looks in JSON, in a URL and in SQL. */
  hide(secret: string): void;
  redact(text: string): string;
}

const HIDDEN = "********";

export function createRedactor(): Redactor {
  const hidden = new Set<string>();
  return {
    hide(secret) {
      if (secret === "") return;
      const json = JSON.stringify(secret).slice(1, -1);
      const forms = [
        secret,
        json,
        encodeURIComponent(secret),
        encodeURI(secret),
        secret.replaceAll("'", "''"),
      ];
      for (const form of forms) hidden.add(form);
    },
    redact(text) {
      // Longer ones first: one form may be part of another.
      const forms = [...hidden].toSorted((a, b) => b.length - a.length);
      return forms.reduce((rest, form) => rest.replaceAll(form, HIDDEN), text);
    },
  };
}

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { MigrationError, type TlsSettings } from "../../migrator/index.ts";

export interface TlsContext {
  /** What `DATABASE_URL` says, for want of `DATABASE_SSL`. */
  readonly sslMode: string | undefined;
  readonly loopback: boolean;
}

/** Protected by default, except on the machine itself. @throws MigrationError `USAGE` */
export function readTls(
  values: Readonly<Record<string, string>>,
  { sslMode, loopback }: TlsContext,
  cwd: string,
): TlsSettings {
  const wanted = values["DATABASE_SSL"] ?? sslMode ?? (loopback ? "disable" : "verify-full");
  if (wanted === "disable") return { mode: "disable" };
  if (wanted === "verify-full") {
    const ca = values["DATABASE_SSL_CA"];
    return { mode: "verify-full", ...(ca === undefined ? {} : { ca: [readCertificates(ca, cwd)] }) };
  }
  const source = "DATABASE_SSL" in values ? "DATABASE_SSL" : "sslmode in DATABASE_URL";
  throw new MigrationError("USAGE", `${source} must be disable or verify-full, not "${wanted}"`, {
    hint: "Modes between the two do not check who answers; with a CA file verify-full works everywhere.",
  });
}

function readCertificates(path: string, cwd: string): string {
  const bad = (what: string, cause?: unknown) =>
    new MigrationError("USAGE", `the file named by DATABASE_SSL_CA ${what}: ${path}`, {
      hint: "It holds certificates in PEM form (-----BEGIN CERTIFICATE-----) of the authorities to trust.",
      cause,
    });
  let text: string;
  try {
    text = readFileSync(resolve(cwd, path), "utf8");
  } catch (cause) {
    throw bad("cannot be read", cause);
  }
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw bad("holds no PEM certificate");
  try {
    // Node's TLS passes over what it cannot read, and then trusts nobody.
    new X509Certificate(text);
  } catch (cause) {
    throw bad("holds a damaged certificate", cause);
  }
  return text;
}

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { MigrationError } from "../../core/index.ts";
import type { TlsSettings } from "../../postgres/index.ts";
import type { SslMode } from "./url-parameters.ts";

export interface TlsContext {
  /** What `DATABASE_URL` says, for want of `DATABASE_SSL`. */
  readonly sslMode: SslMode | undefined;
  /** What it says, for want of `DATABASE_SSL_CA`. */
  readonly sslRootCert: string | undefined;
  readonly loopback: boolean;
}

/** Protected by default, except on the machine itself. @throws MigrationError `USAGE` */
export function readTls(
  values: Readonly<Record<string, string>>,
  { sslMode, sslRootCert, loopback }: TlsContext,
  cwd: string,
): TlsSettings {
  const certificates = values["DATABASE_SSL_CA"] ?? sslRootCert;
  // Who names certificates wants them checked, also at the near end of a tunnel.
  const usual = loopback && certificates === undefined ? "disable" : "verify-full";
  const wanted = values["DATABASE_SSL"] ?? sslMode ?? usual;
  const fromVariable = "DATABASE_SSL" in values;
  if (wanted === "disable") {
    if (certificates === undefined) return { mode: "disable" };
    throw contradiction(fromVariable, "DATABASE_SSL_CA" in values);
  }
  if (fromVariable && wanted !== "verify-full") {
    throw new MigrationError("USAGE", `DATABASE_SSL must be disable or verify-full, not "${wanted}"`, {
      hint: "Modes between the two do not check who answers; with a CA file verify-full works everywhere.",
    });
  }
  if (certificates === undefined) return { mode: "verify-full" };
  const source = "DATABASE_SSL_CA" in values ? "DATABASE_SSL_CA" : "sslrootcert in DATABASE_URL";
  return { mode: "verify-full", ca: [readCertificates(certificates, source, cwd)] };
}

function contradiction(modeFromVariable: boolean, certificatesFromVariable: boolean): MigrationError {
  const mode = modeFromVariable ? "DATABASE_SSL=disable" : "sslmode=disable in DATABASE_URL";
  const certificates = certificatesFromVariable ? "DATABASE_SSL_CA" : "sslrootcert in DATABASE_URL";
  return new MigrationError("USAGE", `${certificates} names certificates, and ${mode} switches TLS off`, {
    hint: "Keep one of the two.",
  });
}

/** @param source the setting that names the file; of a URL nothing is shown */
function readCertificates(path: string, source: string, cwd: string): string {
  const bad = (what: string, cause?: unknown) => {
    const hint =
      "It holds certificates in PEM form (-----BEGIN CERTIFICATE-----) of the authorities to trust.";
    const message = `the file named by ${source} ${what}`;
    return source === "DATABASE_SSL_CA"
      ? new MigrationError("USAGE", `${message}: ${path}`, { hint, cause })
      : new MigrationError("USAGE", message, { hint });
  };
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

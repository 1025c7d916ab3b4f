import { readFile } from "node:fs/promises";
import { rootCertificates } from "node:tls";
import { MigrationError, type TlsSettings } from "../../lib/migrator/index.ts";

/**
 * Where Lambda's Node.js runtimes keep Amazon's certificates, those of RDS among them; since Node.js 20 they are not
 * loaded by default. https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html#nodejs-certificate-loading
 */
const RUNTIME_CA_FILE = "/var/runtime/ca-cert.pem";

/** Certificates to trust: those of the given file alone, else Node's own list and Amazon's. */
export async function readTls(caFile: string | undefined): Promise<TlsSettings> {
  if (caFile !== undefined) return { mode: "verify-full", ca: [await readCertificates(caFile)] };
  return { mode: "verify-full", ca: [...rootCertificates, await readCertificates(RUNTIME_CA_FILE)] };
}

/** Without the certificates nothing could be verified, and connecting without that is out of the question. */
async function readCertificates(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw notThere(`the file with the certificates to trust cannot be read: ${path}`, cause);
  });
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw notThere(`there is no certificate in ${path}`);
}

function notThere(message: string, cause?: unknown): MigrationError {
  return new MigrationError("TLS_UNTRUSTED", message, {
    hint: "Give the construct the PEM text of the database's certificate authority as `ca`.",
    cause,
  });
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { MigrationError } from "../../lib/core/index.ts";
import type { TlsSettings } from "../../lib/postgres/index.ts";
import { ASSET } from "../contract.ts";

/**
 * Where Lambda's Node.js runtimes keep Amazon's certificates; since Node.js 20 they are not loaded by default. Which ones
 * it has depends on the runtime and the region, and it may be missing: the asset brings those of the commercial regions.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html#nodejs-certificate-loading
 */
const RUNTIME_CA_FILE = "/var/runtime/ca-cert.pem";

/**
 * Certificates to trust: those of the given file alone, else Node's own list, those of RDS in the asset and those of the
 * runtime.
 * @param root folder of the asset
 */
export async function readTls(caFile: string | undefined, root: string): Promise<TlsSettings> {
  if (caFile !== undefined) return { mode: "verify-full", ca: [await readCertificates(caFile)] };
  const [rds, runtime] = await Promise.all([
    readCertificates(join(root, ASSET.ca)),
    readFile(RUNTIME_CA_FILE, "utf8").catch(() => undefined),
  ]);
  return { mode: "verify-full", ca: [...rootCertificates, rds, ...(runtime === undefined ? [] : [runtime])] };
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

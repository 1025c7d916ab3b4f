import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { MigrationError } from "../../lib/core/index.ts";
import type { TlsSettings } from "../../lib/postgres/index.ts";
import { ASSET } from "../contract.ts";

/**
 * Where Lambda's Node.js runtimes keep Amazon's certificates. Since Node.js 20 they are not loaded by default. Which ones
 * are there depends on the runtime and the region, so that the asset contains those of the commercial regions.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html#nodejs-certificate-loading
 */
const RUNTIME_CA_FILE = "/var/runtime/ca-cert.pem";

/**
 * Reads the certificates to trust: only those of `caFile`, or without it those of Node, of RDS (in the asset) and of the
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

async function readCertificates(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw unreadable(`the file with the certificates to trust cannot be read: ${path}`, cause);
  });
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw unreadable(`there is no certificate in ${path}`);
}

function unreadable(message: string, cause?: unknown): MigrationError {
  return new MigrationError("TLS_UNTRUSTED", message, {
    hint: "Give the construct the PEM text of the database's certificate authority as `ca`.",
    cause,
  });
}

import { X509Certificate } from "node:crypto";
import type { Construct } from "constructs";
import { constructError } from "./construct-error.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** @throws Error for text that is no list of certificates, or has a private key in it */
export function checkCertificates(scope: Construct, pem: string): void {
  if (pem.includes("PRIVATE KEY-----")) {
    throw constructError(scope, "database.ca has a private key in it: give the certificates alone");
  }
  const certificates = pem.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    // Only a short text may be shown: it is a path, most likely.
    const shown = pem.length < 200 && !pem.includes("\n") ? `, not "${pem}"` : "";
    throw constructError(
      scope,
      `database.ca must be the text of a PEM file with certificates${shown}: read the file with readFileSync`,
    );
  }
  for (const [index, certificate] of certificates.entries()) {
    if (!isCertificate(certificate)) {
      throw constructError(
        scope,
        `certificate ${index + 1} of ${certificates.length} in database.ca cannot be read`,
      );
    }
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).fingerprint256 !== "";
  } catch {
    return false;
  }
}

import { X509Certificate } from "node:crypto";
import type { Construct, IConstruct } from "constructs";

/** An error whose message begins with the path of the construct. */
export function constructError(scope: IConstruct, message: string): Error {
  return new Error(`${scope.node.path}: ${message}`);
}

/** @throws Error if the value is not in the type, which is possible in JavaScript */
export function checkChoice<T extends string>(
  scope: Construct,
  prop: string,
  value: T | undefined,
  choices: readonly T[],
): void {
  if (value === undefined || choices.includes(value)) return;
  throw constructError(
    scope,
    `${prop} must be ${choices.map((choice) => `"${choice}"`).join(" or ")}, not "${value}"`,
  );
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** @throws Error if the text has no readable certificates, or contains a private key */
export function checkCertificates(scope: Construct, pem: string): void {
  if (pem.includes("PRIVATE KEY-----")) {
    throw constructError(scope, "database.ca contains a private key: pass only the certificates");
  }
  const certificates = pem.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    // A short text is most likely a path, and safe to show.
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

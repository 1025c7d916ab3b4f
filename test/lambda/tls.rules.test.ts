import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { describe, expect, test } from "@jest/globals";
import { readTls } from "../../lambda/runtime/tls.ts";
import { writeFolder } from "../support/folders.ts";

const BUNDLE = join(import.meta.dirname, "..", "..", "lambda", "rds-global-bundle.pem");
const DAY_MS = 24 * 60 * 60 * 1_000;

const text = readFileSync(BUNDLE, "utf8");
const certificates = (text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []).map(
  (pem) => new X509Certificate(pem),
);

/** As AWS names the regions of the commercial partition. */
const REGIONS = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2", "sa-east-1"];
const KINDS = ["RSA2048 G1", "RSA4096 G1", "ECC384 G1"];

describe("the certificates of RDS in the asset", () => {
  test("the certificates have a root of each kind for each region", () => {
    const subjects = certificates.map(({ subject }) => subject);
    for (const region of REGIONS) {
      for (const kind of KINDS) {
        expect(subjects).toContainEqual(expect.stringContaining(`CN=Amazon RDS ${region} Root CA ${kind}`));
      }
    }
    expect(certificates.length).toBeGreaterThan(100);
  });

  test("the certificates are Amazon's self-signed authorities, valid for another year, and nothing else", () => {
    for (const certificate of certificates) {
      expect(certificate.subject).toMatch(/^O=Amazon Web Services\\?, Inc\.$/m);
      expect(certificate.ca && certificate.verify(certificate.publicKey)).toBe(true);
      expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.now() + 365 * DAY_MS);
    }
    expect(text.replace(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g, "").trim()).toBe("");
  });
});

describe("the trust of a function", () => {
  test("a function trusts public authorities and those in the asset by default, whatever the runtime has", async () => {
    const root = writeFolder({ "ca.pem": text });
    expect(await readTls(undefined, root)).toEqual({
      mode: "verify-full",
      ca: expect.arrayContaining([...rootCertificates, text]),
    });
  });

  test("a function trusts the given certificates alone", async () => {
    const root = writeFolder({ "own.pem": text });
    expect(await readTls(join(root, "own.pem"), root)).toEqual({ mode: "verify-full", ca: [text] });
  });

  test("a function without the asset's file refuses to connect", async () => {
    await expect(readTls(undefined, writeFolder({}))).rejects.toThrow(/certificates to trust cannot be read/);
  });
});

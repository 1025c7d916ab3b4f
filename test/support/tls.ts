import { randomUUID } from "node:crypto";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { generate } from "selfsigned";
import { type LocalServer, startLocal, stopLocal } from "../../lib/embedded/index.ts";
import { serverUser } from "../../lib/embedded/server-user.ts";
import type { ConnectionSettings } from "../../lib/postgres/client.ts";
import { packageOf, pgMajor } from "./postgres.ts";

export interface TlsOptions {
  /** Whether the server refuses connections without TLS. @default false */
  readonly required?: boolean;
  /** How the server asks for passwords. @default "scram-sha-256" */
  readonly method?: "scram-sha-256" | "password" | "md5";
  /** Host name in the certificate. @default "localhost", and the address 127.0.0.1 */
  readonly certifiedFor?: string;
}

export interface TlsServer {
  /** With `verify-full` and the right authority. */
  readonly connection: ConnectionSettings;
  /** The same without TLS. */
  readonly plain: ConnectionSettings;
  /** PEM of the authority that signed the server's certificate. */
  readonly ca: string;
  /** PEM of an authority that did not. */
  readonly otherCa: string;
  stop(): Promise<void>;
}

/** A server with TLS, made for one test file: stop it in `afterAll`. */
export async function startTlsServer(options: TlsOptions = {}): Promise<TlsServer> {
  const projectDir = await mkdtemp(join(tmpdir(), "cdk-pg-migrate-tls-"));
  // The server's user has to reach its certificate.
  await chmod(projectDir, 0o711);
  const local = { projectDir, packageName: packageOf(pgMajor()) };
  const [authority, other] = await Promise.all([makeAuthority(), makeAuthority()]);
  const files = await writeFiles(projectDir, await makeCertificate(authority, options.certifiedFor));
  const server = await startLocal({
    ...local,
    database: "postgres",
    serverSettings: { fsync: "off", ssl: "on", ssl_cert_file: files.cert, ssl_key_file: files.key },
  });
  const { required = false, method = "scram-sha-256" } = options;
  if (required || method !== "scram-sha-256") {
    await setRules(server, `${required ? "hostssl" : "host"} all all all ${method}\n`);
  }
  return {
    plain: server.connection,
    connection: { ...server.connection, tls: { mode: "verify-full", ca: [authority.cert] } },
    ca: authority.cert,
    otherCa: other.cert,
    async stop() {
      await stopLocal(local);
      await rm(projectDir, { recursive: true, force: true });
    },
  };
}

/** Both as PEM. */
export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

/** An authority of its own, which nobody trusts yet. */
export async function makeAuthority(): Promise<KeyPair> {
  const { private: key, cert } = await generate(
    [{ name: "commonName", value: `Authority ${randomUUID()}` }],
    {
      keyType: "ec",
      algorithm: "sha256",
      extensions: [
        { name: "basicConstraints", cA: true, critical: true },
        { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
      ],
    },
  );
  return { key, cert };
}

/** @param certifiedFor as `TlsOptions.certifiedFor` */
export async function makeCertificate(authority: KeyPair, certifiedFor?: string): Promise<KeyPair> {
  const host = certifiedFor ?? "localhost";
  const address = certifiedFor === undefined ? [{ type: 7 as const, ip: "127.0.0.1" }] : [];
  const { private: key, cert } = await generate([{ name: "commonName", value: host }], {
    keyType: "ec",
    algorithm: "sha256",
    ca: authority,
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "keyUsage", digitalSignature: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: [{ type: 2, value: host }, ...address] },
    ],
  });
  return { key, cert };
}

async function writeFiles(directory: string, pair: KeyPair): Promise<KeyPair> {
  const files = { key: join(directory, "server.key"), cert: join(directory, "server.crt") };
  await writeFile(files.cert, pair.cert);
  await writeFile(files.key, pair.key, { mode: 0o600 });
  const user = serverUser();
  if (user !== undefined) await chown(files.key, user.uid, user.gid);
  return files;
}

/** Done once the server runs: its launcher connects without TLS. @param rules of `pg_hba.conf` */
async function setRules({ connection, dataDir }: LocalServer, rules: string): Promise<void> {
  const { host, port, database, user, password } = connection;
  const client = new pg.Client({ host, port, database, user, password, ssl: false });
  await client.connect();
  try {
    await writeFile(join(dataDir, "pg_hba.conf"), rules);
    await client.query("SELECT pg_reload_conf()");
  } finally {
    await client.end();
  }
}

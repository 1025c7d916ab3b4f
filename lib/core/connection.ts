/** How the connection is protected. `verify-full` checks the certificate and the host name; there is no weaker mode with TLS. */
export type TlsSettings =
  | { readonly mode: "disable" }
  | {
      readonly mode: "verify-full";
      /** PEM certificates to trust in place of Node's own list. */
      readonly ca?: readonly string[];
    };

/** Address and user of a connection. Nothing is read from `PG*` variables or a password file. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly tls: TlsSettings;
  /** Milliseconds for one connection attempt. Default: the engine's option. */
  readonly connectTimeoutMs?: number;
}

/** How the connection is protected. `verify-full` checks the certificate and the host name; there is no mode between. */
export type TlsSettings =
  | { readonly mode: "disable" }
  | {
      readonly mode: "verify-full";
      /** PEM certificates to trust in place of Node's own list. */
      readonly ca?: readonly string[];
    };

/** Where and as whom to connect. Nothing is read from `PG*` variables or a password file. */
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

/** Names everything but the password. */
export function whereOf({ user, host, port, database }: ConnectionSettings): string {
  return `${user}@${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}

import { DATABASE_DEFAULTS, given } from "../../core/index.ts";
import type { ConnectionSettings } from "../../postgres/index.ts";
import { isLoopback, readHost, readPort } from "./address.ts";
import { bad, readUrlParameters, type UrlParameters } from "./url-parameters.ts";

export interface Address
  extends Omit<ConnectionSettings, "tls">,
    Pick<UrlParameters, "sslMode" | "sslRootCert"> {}

/** Takes a `DATABASE_URL` apart. Messages never show it: it holds the password. @throws MigrationError `USAGE` */
export function readUrl(text: string): Address {
  if (!/^postgres(ql)?:\/\//.test(text)) throw bad("must begin with postgres://");
  if (!URL.canParse(text)) {
    throw bad(
      "cannot be read as a URL; characters such as / ? # @ % in the password must be percent-encoded, and an IPv6 address stands in brackets",
    );
  }
  const url = new URL(text);
  // A / ? or # in the password makes what follows it a path, a parameter or a fragment; none of them may be shown.
  if (/@|\/./.test(url.pathname.slice(1)) || url.search.includes("@")) {
    throw bad("has a / ? or @ where it cannot be; in a password they must be written %2F %3F %40");
  }
  if (url.hash !== "") throw bad("holds a #; in a password it must be written %23");
  if (url.port === "0") throw bad("has port 0; it must be a number from 1 to 65535");
  const { host, port, connectTimeoutMs, ...tls } = readUrlParameters(url.searchParams);
  if (url.hostname.includes(",")) throw bad("names several hosts; name one");
  if ((host !== undefined && url.hostname !== "") || (port !== undefined && url.port !== "")) {
    throw bad("names the host or the port twice");
  }
  const address = host ?? decode(url.hostname);
  // `user:1/rest of the password`: without an @, the user is taken for a host.
  if (url.username === "" && address !== "" && !isLoopback(readHost(address))) throw bad("names no user");
  return {
    host: address === "" ? DATABASE_DEFAULTS.host : readHost(address),
    port: readPort(port ?? url.port),
    database: decode(url.pathname.slice(1)) || DATABASE_DEFAULTS.database,
    user: decode(url.username) || DATABASE_DEFAULTS.user,
    password: decode(url.password),
    ...given({ connectTimeoutMs }),
    ...tls,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The cause is left out: nothing of the URL may reach a log.
    throw bad("holds a % that begins no valid escape; a % itself is written %25");
  }
}

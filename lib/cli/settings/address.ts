import { isIP } from "node:net";
import { DATABASE_DEFAULTS, MigrationError } from "../../core/index.ts";

/**
 * A host as it is set: a name, an address (IPv6 with or without brackets) or the folder of a socket.
 * @throws MigrationError `USAGE`
 */
export function readHost(text: string): string {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIP(bare) !== 0 || bare.startsWith("/")) return bare;
  // What follows is not shown: a URL in the wrong variable holds a password.
  if (/[@/?#]/.test(bare)) {
    throw new MigrationError("USAGE", "DATABASE_HOST holds more than a host name", {
      hint: "A whole URL goes into DATABASE_URL.",
    });
  }
  const withPort = /^(.+):(\d+)$/.exec(bare);
  if (withPort !== null) {
    const [, host, port] = withPort;
    throw new MigrationError("USAGE", `DATABASE_HOST holds a port: "${bare}"`, {
      hint: `Set DATABASE_HOST=${host} and DATABASE_PORT=${port}.`,
    });
  }
  return bare;
}

export function readPort(text: string | undefined): number {
  if (text === undefined || text === "") return DATABASE_DEFAULTS.port;
  const port = /^\d+$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw new MigrationError("USAGE", `DATABASE_PORT must be a number from 1 to 65535, not "${text}"`);
}

export function isLoopback(host: string): boolean {
  if (host === "localhost" || host.startsWith("/")) return true;
  const version = isIP(host);
  if (version === 6) return isLoopbackOfSix(host);
  return version === 4 && host.startsWith("127.");
}

/** `::1` in all its spellings, and IPv4's loopback addresses in IPv6's clothes. */
function isLoopbackOfSix(address: string): boolean {
  // An address with a zone cannot stand in a URL, and is none of these.
  if (!URL.canParse(`http://[${address}]`)) return false;
  return /^\[(::1|::ffff:7f[0-9a-f]{2}:[0-9a-f]+)\]$/.test(new URL(`http://[${address}]`).hostname);
}

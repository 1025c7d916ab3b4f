import { createHash } from "node:crypto";
import { createServer } from "node:net";

export const LISTEN_ADDRESS = "127.0.0.1";
/** Below the ports that systems hand out for outgoing connections, which take no notice of ours. */
const FIRST = 15_432;
const RANGE = 10_000;
const STEP = 37;
const TRIES = 50;

/**
 * A port for the project's server: the one it had, else one that its path decides, so that tools which were
 * told of it keep working; the next one where that is taken.
 */
export async function choosePort(projectDir: string, remembered: number | undefined): Promise<number> {
  if (remembered !== undefined && (await isFree(remembered))) return remembered;
  const start = createHash("sha256").update(projectDir).digest().readUInt32BE();
  for (let step = 0; step < TRIES; step++) {
    const port = FIRST + ((start + step * STEP) % RANGE);
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${TRIES} ports from ${FIRST} up is free on ${LISTEN_ADDRESS}`);
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: LISTEN_ADDRESS, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

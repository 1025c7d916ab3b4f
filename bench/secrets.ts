import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Secrets Manager with one secret. */
export interface Secrets {
  readonly endpoint: string;
  readonly calls: number;
  close(): Promise<void>;
}

export async function startSecrets(secret: object): Promise<Secrets> {
  let calls = 0;
  const server = createServer((request, response) => {
    calls += 1;
    request.resume();
    response.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
    response.end(JSON.stringify({ Name: "bench", SecretString: JSON.stringify(secret) }));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    endpoint: `http://127.0.0.1:${portOf(server.address())}`,
    get calls() {
      return calls;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

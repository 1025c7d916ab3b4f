import { createServer, type Socket, connect as tcpConnect } from "node:net";

/** A way to a server that can be closed: then connections are refused. */
export interface ClosableProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** @param target what lies behind it; "nothing": connections are taken and never answered */
export async function startClosableProxy(
  target: { readonly host: string; readonly port: number } | "nothing",
): Promise<ClosableProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    keep(client);
    if (target === "nothing") return;
    const upstream = tcpConnect({ host: target.host, port: target.port });
    keep(upstream);
    client.pipe(upstream).pipe(client);
  });
  const keep = (socket: Socket) => {
    sockets.add(socket.on("error", () => socket.destroy()));
  };
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

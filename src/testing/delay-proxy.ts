import { connect, createServer, type Server, type Socket } from "node:net";

export interface DelayProxyOptions {
  readonly host: string;
  readonly port: number;
  /** Asked for every piece of a reply: how many milliseconds to hold it back. Those behind it wait as well. */
  readonly delayMs: () => number;
}

export interface DelayProxy {
  readonly port: number;
  /** Holds every reply back from now on, for so long. */
  stall(ms: number): void;
  close(): Promise<void>;
}

/** A way to a server on which replies are late: order and bytes stay as they are. */
export async function startDelayProxy(options: DelayProxyOptions): Promise<DelayProxy> {
  const sockets = new Set<Socket>();
  let stalledUntil = 0;

  const server: Server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: options.host, port: options.port, noDelay: true });
    let freeAt = 0;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (chunk) => upstream.write(chunk));
    upstream.on("data", (chunk) => {
      const now = performance.now();
      const due = Math.max(freeAt, stalledUntil, now + options.delayMs());
      if (due <= now) {
        client.write(chunk);
        return;
      }
      freeAt = due;
      setTimeout(() => client.write(chunk), due - now);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    stall(ms) {
      stalledUntil = performance.now() + ms;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

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

interface Piece {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

/** A way to a server on which replies are late: order and bytes stay as they are. */
export async function startDelayProxy(options: DelayProxyOptions): Promise<DelayProxy> {
  const sockets = new Set<Socket>();
  let stalledUntilMs = 0;

  // Half-open on purpose: an end is passed on behind the pieces that are still held.
  const server: Server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const { host, port } = options;
    const upstream = connect({ host, port, noDelay: true, allowHalfOpen: true });
    const held: Piece[] = [];
    let ends = false;
    // One for all pieces: timers keep whole milliseconds, so that of a later piece may be over first.
    let timer: NodeJS.Timeout | undefined;
    const pass = (): void => {
      timer = undefined;
      while (held.length > 0) {
        const waitMs = Math.max(held[0]!.dueMs, stalledUntilMs) - performance.now();
        if (waitMs > 0) {
          timer = setTimeout(pass, waitMs);
          return;
        }
        client.write(held.shift()!.bytes);
      }
      if (ends) client.end();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("close", () => {
      clearTimeout(timer);
      upstream.destroy();
    });
    upstream.on("close", () => {
      if (!ends) client.destroy();
    });
    client.on("data", (chunk) => upstream.write(chunk));
    client.on("end", () => upstream.end());
    upstream.on("data", (bytes) => {
      held.push({ bytes, dueMs: performance.now() + options.delayMs() });
      if (timer === undefined) pass();
    });
    upstream.on("end", () => {
      ends = true;
      if (timer === undefined) pass();
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
      stalledUntilMs = performance.now() + ms;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

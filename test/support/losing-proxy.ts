import { connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** A way to a server on which single connections can be lost in such a way that the server hears nothing of it. */
export interface LosingProxy {
  readonly port: number;
  /** Connections made from now on wait so long before the server hears of them. */
  connectDelayMs: number;
  /** Resets, on the client's side alone, the connections over which this text was sent; resolves to how many. */
  lose(text: string): number;
  close(): void;
}

const REMEMBERED = 20_000;

export async function startLosingProxy(serverPort: number): Promise<LosingProxy> {
  const pairs = new Set<{ readonly client: Socket; sent: string }>();
  const upstream = new Set<Socket>();
  const server = createServer({ noDelay: true, pauseOnConnect: true }, async (client) => {
    const pair = { client, sent: "" };
    pairs.add(pair);
    client.on("error", () => {});
    if (proxy.connectDelayMs > 0) await delay(proxy.connectDelayMs);
    const up = connect({ host: "127.0.0.1", port: serverPort, noDelay: true });
    upstream.add(up);
    up.on("error", () => client.destroy());
    up.on("data", (bytes) => client.write(bytes));
    up.on("close", () => {
      upstream.delete(up);
      client.destroy();
    });
    client.on("data", (bytes: Buffer) => {
      pair.sent = (pair.sent + bytes.toString("latin1")).slice(-REMEMBERED);
      up.write(bytes);
    });
    client.on("end", () => up.end());
    client.on("close", () => pairs.delete(pair));
    client.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const proxy: LosingProxy = {
    port: address.port,
    connectDelayMs: 0,
    lose(text) {
      const lost = [...pairs].filter(({ sent }) => sent.includes(text));
      for (const { client } of lost) client.resetAndDestroy();
      return lost.length;
    },
    close() {
      server.close();
      for (const { client } of pairs) client.destroy();
      for (const up of upstream) up.destroy();
    },
  };
  return proxy;
}

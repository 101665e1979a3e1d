import { connect, createServer, type Socket } from "node:net";
import type { TestScope } from "./stores.js";

/** A way to a server on which what it says, or is asked, can be held back, with the connections as they are. */
export interface StallingRelay {
  readonly port: number;
  stall(what?: "answers" | "questions"): void;
  resume(): void;
}

export async function startStallingRelay(t: TestScope, targetPort: number): Promise<StallingRelay> {
  const servers = new Set<Socket>();
  const clients = new Set<Socket>();
  let stalled: "answers" | "questions" | undefined;
  const relay = createServer({ noDelay: true }, (client) => {
    const server = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    clients.add(client);
    servers.add(server);
    const end = (): void => {
      clients.delete(client);
      servers.delete(server);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
    client.on("data", (chunk) => server.write(chunk));
    server.on("data", (chunk) => client.write(chunk));
    if (stalled === "answers") server.pause();
    else if (stalled === "questions") client.pause();
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    relay.close();
    for (const socket of [...clients, ...servers]) socket.destroy();
  });
  return {
    port: (relay.address() as { port: number }).port,
    stall(what = "answers") {
      stalled = what;
      for (const socket of what === "answers" ? servers : clients) socket.pause();
    },
    resume() {
      stalled = undefined;
      for (const socket of [...servers, ...clients]) socket.resume();
    },
  };
}

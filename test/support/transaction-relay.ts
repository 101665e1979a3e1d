import { connect, createServer, type Socket } from "node:net";

const SYNC = "S".charCodeAt(0);
const READY = "Z".charCodeAt(0);
/** A message: its kind, and a length that counts itself and what follows. */
const HEADER_BYTES = 5;

export interface TransactionRelay {
  readonly port: number;
  /** Messages that came behind a Sync that the server had not answered. */
  readonly overtaking: () => number;
  close(): void;
}

/** Stands before a PostgreSQL server, or a pooler, and counts what clients send without waiting for an answer. */
export async function startTransactionRelay(serverPort: number): Promise<TransactionRelay> {
  let overtaking = 0;
  const sockets = new Set<Socket>();
  const relay = createServer((client) => {
    const server = connect(serverPort, "127.0.0.1");
    // Before the login is over messages have other shapes, and nobody sends ahead.
    let isLoggedIn = false;
    let isAwaited = false;
    const fromServer = messages((kind) => {
      if (kind === READY) isAwaited = false;
    });
    const fromClient = messages((kind) => {
      if (isAwaited) overtaking++;
      if (kind === SYNC) isAwaited = true;
    });
    client.on("data", (chunk) => {
      if (isLoggedIn) fromClient(chunk);
      server.write(chunk);
    });
    server.on("data", (chunk) => {
      // `ReadyForQuery` is the last that a login brings.
      if (isLoggedIn) fromServer(chunk);
      else isLoggedIn = chunk.length >= 6 && chunk[chunk.length - 6] === READY;
      client.write(chunk);
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  return {
    port: (relay.address() as { port: number }).port,
    overtaking: () => overtaking,
    close() {
      relay.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Takes a stream apart into messages, and tells the kind of each. */
function messages(onMessage: (kind: number) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      if (rest.length < HEADER_BYTES) return;
      const bytes = 1 + rest.readInt32BE(1);
      if (rest.length < bytes) return;
      onMessage(rest[0]!);
      rest = rest.subarray(bytes);
    }
  };
}

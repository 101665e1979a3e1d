import { connect, createServer, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

/*
 * A link of limited speed before a server: bytes of each direction arrive when a line of so many bytes per second
 * would have brought them. A thread of its own, because a busy event loop must not slow the line down; it sleeps for
 * fractions of a millisecond, which no timer of Node.js does and which a line of this speed is made of.
 */
export interface LinkSetup {
  readonly targetHost: string;
  readonly targetPort: number;
  readonly bytesPerSecond: number;
}

/** As much as sockets and network cards hold before their sender has to wait. */
const BUFFER_BYTES = 256 * 1024;
const LONGEST_SLEEP_MS = 0.25;

const { targetHost, targetPort, bytesPerSecond } = workerData as LinkSetup;
const bytesPerMs = bytesPerSecond / 1000;
const pause = new Int32Array(new SharedArrayBuffer(4));
const directions = new Set<Direction>();
const sockets = new Set<Socket>();
let turning = false;

class Direction {
  readonly #source: Socket;
  readonly #sink: Socket;
  #held: { readonly bytes: Buffer; readonly dueMs: number }[] = [];
  #heldBytes = 0;
  #freeAtMs = 0;

  constructor(source: Socket, sink: Socket) {
    this.#source = source;
    this.#sink = sink;
    source.on("data", (bytes: Buffer) => this.#push(bytes));
    source.on("close", () => sink.destroy());
    source.on("error", () => sink.destroy());
    sink.on("drain", () => this.#resume());
    directions.add(this);
    source.on("close", () => directions.delete(this));
  }

  /** When the next bytes have arrived; undefined: none are under way. */
  deliver(nowMs: number): number | undefined {
    while (this.#held.length > 0) {
      const { bytes, dueMs } = this.#held[0]!;
      if (dueMs > nowMs) return dueMs;
      this.#held.shift();
      this.#heldBytes -= bytes.length;
      this.#sink.write(bytes);
    }
    this.#resume();
    return undefined;
  }

  #push(bytes: Buffer): void {
    this.#freeAtMs = Math.max(this.#freeAtMs, performance.now()) + bytes.length / bytesPerMs;
    this.#held.push({ bytes, dueMs: this.#freeAtMs });
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > BUFFER_BYTES) this.#source.pause();
    if (!turning) turn();
  }

  #resume(): void {
    if (this.#heldBytes <= BUFFER_BYTES && !this.#sink.writableNeedDrain) this.#source.resume();
  }
}

function turn(): void {
  const nowMs = performance.now();
  let next: number | undefined;
  for (const direction of directions) {
    const dueMs = direction.deliver(nowMs);
    if (dueMs !== undefined) next = Math.min(next ?? dueMs, dueMs);
  }
  turning = next !== undefined;
  if (next === undefined) return;
  Atomics.wait(pause, 0, 0, Math.min(LONGEST_SLEEP_MS, Math.max(0, next - performance.now())));
  setImmediate(turn);
}

const server = createServer({ noDelay: true }, (client) => {
  const upstream = connect({ host: targetHost, port: targetPort, noDelay: true });
  for (const socket of [client, upstream]) {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  }
  new Direction(client, upstream);
  new Direction(upstream, client);
});
server.listen(0, "127.0.0.1", () => parentPort?.postMessage((server.address() as { port: number }).port));
parentPort?.once("message", () => {
  server.close();
  for (const socket of sockets) socket.destroy();
});

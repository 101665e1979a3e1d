import { connect, createServer, type Server, type Socket } from "node:net";
import type {
  ArmedFault,
  DirectionFaults,
  FaultProxy,
  FaultProxyOptions,
  FaultProxyStatistics,
  Faults,
  SingleFault,
} from "./faults.js";
import { Lane } from "./lane.js";
import { flipLength, flipPayload } from "./reply-damage.js";

const NO_FAULTS: DirectionFaults = {};

interface Armed {
  readonly fault: SingleFault;
  readonly settle: (happened: boolean) => void;
}

interface Pair {
  readonly client: Socket;
  /** Undefined: accepted and left alone. */
  readonly upstream: Socket | undefined;
  readonly lanes: readonly Lane[];
  /** One side has ended, and the other was not to hear of it. */
  endSwallowed: boolean;
}

/** The proxy in the thread of its caller; `startFaultProxy` can put it in another. */
export class LocalFaultProxy implements FaultProxy {
  readonly host = "127.0.0.1";
  port: number;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<Pair>();
  #server: Server | undefined;
  #faults: Faults = {};
  #armed: Armed[] = [];
  #cutter: NodeJS.Timeout | undefined;
  #closed = false;
  #accepted = 0;
  #cuts = 0;
  #bytesToServer = 0;
  #bytesToClient = 0;
  #bytesSwallowed = 0;

  private constructor(target: { readonly host: string; readonly port: number }, port: number) {
    this.#target = target;
    this.port = port;
  }

  static async start(targetPort: number, options: FaultProxyOptions = {}): Promise<LocalFaultProxy> {
    const target = { host: options.targetHost ?? "127.0.0.1", port: targetPort };
    const proxy = new LocalFaultProxy(target, options.port ?? 0);
    await proxy.#listen();
    return proxy;
  }

  async set(faults: Faults): Promise<void> {
    this.#refuseWhenClosed();
    const before = this.#faults;
    this.#faults = faults;
    clearInterval(this.#cutter);
    if (faults.cutEveryMs !== undefined) this.#cutter = setInterval(() => void this.cut(), faults.cutEveryMs);
    if (
      before.toServer?.swallow !== faults.toServer?.swallow ||
      before.toClient?.swallow !== faults.toClient?.swallow
    ) {
      this.#resetTorn();
    }
    if (faults.accept === "refuse") await this.#unlisten();
    else if (this.#server === undefined) await this.#listen();
    if (before.accept === "silence" && faults.accept !== "silence") {
      for (const pair of this.#pairs) if (pair.upstream === undefined) this.#reset(pair);
    }
  }

  async clear(): Promise<void> {
    this.#disarm();
    await this.set({});
  }

  async cut(): Promise<number> {
    const cut = this.#pairs.size;
    for (const pair of this.#pairs) this.#reset(pair);
    return cut;
  }

  async arm(fault: SingleFault): Promise<ArmedFault> {
    this.#refuseWhenClosed();
    const happened = new Promise<boolean>((settle) => this.#armed.push({ fault, settle }));
    return { happened };
  }

  async statistics(): Promise<FaultProxyStatistics> {
    let bytesSwallowed = this.#bytesSwallowed;
    for (const { lanes } of this.#pairs) for (const lane of lanes) bytesSwallowed += lane.swallowedBytes;
    return {
      accepted: this.#accepted,
      open: this.#pairs.size,
      cuts: this.#cuts,
      bytesToServer: this.#bytesToServer,
      bytesToClient: this.#bytesToClient,
      bytesSwallowed,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#cutter);
    this.#disarm();
    await this.cut();
    await this.#unlisten();
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new Error("the proxy is closed");
  }

  async #listen(): Promise<void> {
    // Half-open on purpose: an end is passed on behind the bytes that are still held.
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => this.#accept(client));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.port, this.host, resolve);
    });
    this.#server = server;
    // Closed while it was about to listen again.
    if (this.#closed) await this.#unlisten();
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy has no port");
    this.port = address.port;
  }

  /** Existing connections stay, so the server's own `close` would never end: its handle is gone at once all the same. */
  async #unlisten(): Promise<void> {
    this.#server?.close();
    this.#server = undefined;
  }

  #accept(client: Socket): void {
    this.#accepted++;
    const { accept } = this.#faults;
    if (accept === "close") {
      client.on("error", () => client.destroy());
      client.destroy();
      return;
    }
    if (accept === "silence") {
      this.#watch({ client, upstream: undefined, lanes: [], endSwallowed: false });
      return;
    }
    const upstream = connect({ ...this.#target, noDelay: true, allowHalfOpen: true });
    const toServer = new Lane(client, upstream, () => this.#faults.toServer ?? NO_FAULTS);
    const toClient = new Lane(upstream, client, () => this.#faults.toClient ?? NO_FAULTS);
    const pair: Pair = { client, upstream, lanes: [toServer, toClient], endSwallowed: false };
    this.#watch(pair);
    client.on("data", (bytes: Buffer) => {
      this.#bytesToServer += bytes.length;
      toServer.push(bytes);
    });
    upstream.on("data", (bytes: Buffer) => {
      this.#bytesToClient += bytes.length;
      const passed = this.#armed.length === 0 ? bytes : this.#damage(bytes, pair);
      if (passed !== undefined) toClient.push(passed);
    });
    const passEnd = (lane: Lane): void => {
      if (this.#swallows) pair.endSwallowed = true;
      else lane.end();
    };
    client.on("end", () => passEnd(toServer));
    upstream.on("end", () => passEnd(toClient));
  }

  #watch(pair: Pair): void {
    this.#pairs.add(pair);
    const { client, upstream } = pair;
    client.on("error", () => this.#ended(pair, upstream));
    client.on("close", () => this.#ended(pair, upstream));
    if (upstream === undefined) client.resume();
    upstream?.on("error", () => this.#ended(pair, client));
    upstream?.on("close", () => this.#ended(pair, client));
  }

  /** One side is gone: so is the other, unless nobody may hear of it. */
  #ended(pair: Pair, other: Socket | undefined): void {
    if (!this.#pairs.has(pair) || this.#swallows) return;
    if (other !== undefined && !other.destroyed && !other.writableEnded) reset(other);
    const bothGone = pair.client.destroyed && (pair.upstream?.destroyed ?? true);
    if (bothGone) this.#forget(pair);
  }

  get #swallows(): boolean {
    return this.#faults.toServer?.swallow === true || this.#faults.toClient?.swallow === true;
  }

  #resetTorn(): void {
    for (const pair of this.#pairs) {
      const isTorn = pair.endSwallowed || pair.lanes.some((lane) => lane.swallowedBytes > 0);
      if (isTorn || pair.client.destroyed || pair.upstream?.destroyed === true) this.#reset(pair);
    }
  }

  #reset(pair: Pair): void {
    this.#cuts++;
    this.#forget(pair);
    reset(pair.client);
    if (pair.upstream !== undefined) reset(pair.upstream);
  }

  #forget(pair: Pair): void {
    this.#pairs.delete(pair);
    for (const lane of pair.lanes) {
      this.#bytesSwallowed += lane.swallowedBytes;
      lane.swallowedBytes = 0;
      lane.stop();
    }
  }

  /** What is left of a reply; undefined: nothing, and the connection is gone. */
  #damage(bytes: Buffer, pair: Pair): Buffer | undefined {
    let piece = bytes;
    for (const armed of [...this.#armed]) {
      const { fault } = armed;
      const damaged = damagedBy(fault, piece);
      if (damaged === undefined) continue;
      this.#armed = this.#armed.filter((other) => other !== armed);
      armed.settle(true);
      if (fault.kind === "lost-ack") {
        this.#reset(pair);
        return undefined;
      }
      piece = damaged;
    }
    return piece;
  }

  #disarm(): void {
    for (const { settle } of this.#armed.splice(0)) settle(false);
  }
}

/** Undefined: the fault does not fit these bytes. */
function damagedBy(fault: SingleFault, piece: Buffer): Buffer | undefined {
  switch (fault.kind) {
    case "lost-ack":
      return piece;
    case "flip-payload":
      return flipPayload(piece, fault.minBytes);
    case "flip-length":
      return flipLength(piece, fault.how, fault.minBytes);
    case "extra-reply":
      return Buffer.concat([fault.bytes, piece]);
  }
}

/**
 * A socket that is being connected or ended cannot be reset: Node.js 20 would wait for the one, and leave the handle
 * open for ever after the other, at the price of a thread that spins when it should end.
 */
function reset(socket: Socket): void {
  if (socket.connecting || socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

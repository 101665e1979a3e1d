import type { Redis } from "ioredis";
import PQueue from "p-queue";
import type { ValueCodec } from "../../codec/value-codec.js";
import { crc32 } from "../../core/crc32.js";
import { BackendError, ClosedError, ConnectionError, StateError } from "../../core/errors.js";
import { canonicalKeyOfBytes } from "../../core/key.js";
import type { DriverContext, ScanPage } from "../contract.js";
import { type ControlAddress, ControlConnection } from "./control-connection.js";
import type { ConnectionIdentity } from "./wire/handshake.js";
import type { TlsMaterial } from "./wire/open-socket.js";

const PAGE_KEYS = 512;
/** Values are fetched so many at a time at first, then as many as come to about so many bytes: memory stays bounded. */
const FIRST_VALUES = 8;
const VALUE_BYTES_PER_PAGE = 4 * 1024 * 1024;
const CONCURRENT_JOBS = 4;

/** Hears of what concerns the connections for data as well. */
export interface ControlObserver {
  /**
   * Something was to be deleted over this connection, and nobody knows whether it still will be. Called before the call
   * fails, so that nothing that is written later has been sent.
   */
  readonly onUnanswered: (connection: ConnectionIdentity) => void;
  /** The server refuses to delete because it is a replica. */
  readonly onReadOnly: () => void;
}

/** Scans and administration, through ioredis. It connects on first need. */
export class ControlPlane {
  readonly #address: ControlAddress;
  readonly #context: DriverContext;
  readonly #tls: () => Promise<TlsMaterial | undefined>;
  readonly #observer: ControlObserver;
  readonly #prefix: Buffer;
  readonly #jobs = new PQueue({ concurrency: CONCURRENT_JOBS });
  #connection: Promise<ControlConnection> | undefined;
  /** Connects at this moment. */
  #opening: ControlConnection | undefined;
  #closed = false;
  /** How often the address has led to another server. */
  #moves = 0;

  constructor(
    address: ControlAddress,
    context: DriverContext,
    tls: () => Promise<TlsMaterial | undefined>,
    observer: ControlObserver,
  ) {
    this.#address = address;
    this.#tls = tls;
    this.#observer = observer;
    this.#context = context;
    this.#prefix = Buffer.from(context.keyPrefix, "utf8");
  }

  get connections(): number {
    return this.#connection === undefined ? 0 : 1;
  }

  async *scan(prefix: string, withValues: boolean): AsyncIterable<ScanPage> {
    let count = FIRST_VALUES;
    for await (const stored of this.#pages(prefix)) {
      const keys = stored.map((key) => canonicalKeyOfBytes(key.subarray(this.#prefix.length)));
      if (!withValues) {
        yield { keys };
        continue;
      }
      for (let from = 0; from < keys.length; ) {
        const asked = Math.min(count, keys.length - from);
        const { page, bytes } = await this.#withValues(
          stored.slice(from, from + asked),
          keys.slice(from, from + asked),
        );
        from += asked;
        count = Math.max(1, Math.min(count * 4, Math.floor((asked * VALUE_BYTES_PER_PAGE) / Math.max(1, bytes))));
        if (page.keys.length > 0) yield page;
      }
    }
  }

  async clear(prefix: string): Promise<number> {
    let cleared = 0;
    let begun = false;
    try {
      for await (const stored of this.#pages(prefix)) {
        begun = true;
        const isCount = (count: unknown): boolean => Number.isInteger(count) && (count as number) <= stored.length;
        cleared += await this.#job("clear", (client) => client.unlink(...stored), isCount);
      }
    } catch (error) {
      if (error instanceof StateError && begun) throw error.concerning({ operation: "clear", outcome: "unknown" });
      throw error;
    }
    return cleared;
  }

  ping(): Promise<string> {
    return this.#job(
      "healthCheck",
      (client) => client.ping(),
      (reply) => reply === "PONG",
    );
  }

  async info(): Promise<Record<string, string>> {
    const text = await this.#job("serverInfo", (client) => client.info(), isInfo);
    const facts: Record<string, string> = {};
    for (const line of text.split("\r\n")) {
      const colon = line.indexOf(":");
      if (colon > 0) facts[line.slice(0, colon)] = line.slice(colon + 1);
    }
    return facts;
  }

  /** The address leads to another server: what is asked from now on goes there, over a connection that is yet to be made. */
  move(): void {
    this.#moves++;
    const left = this.#connection;
    this.#connection = undefined;
    void this.#jobs.onIdle().then(async () => (await left?.catch(() => undefined))?.cut());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#opening?.cut();
    const connection = await this.#connection?.catch(() => undefined);
    this.#connection = undefined;
    connection?.cut();
  }

  /** To one server the place where another had come to in its keys says nothing. */
  #movedError(): ConnectionError {
    const message = `${this.#address.host}:${this.#address.port}: the address has led to another server meanwhile`;
    return new ConnectionError(message, { backend: "redis", retryable: true, reason: "ERR_CONNECTION" });
  }

  async *#pages(prefix: string): AsyncIterable<Buffer[]> {
    const match = Buffer.concat([escapedGlob(this.#context.keyPrefix + prefix), Buffer.from("*")]);
    let cursor = "0";
    const moves = this.#moves;
    do {
      if (moves !== this.#moves) throw this.#movedError();
      const [next, keys] = await this.#job(
        "scan",
        (client) => client.scanBuffer(cursor, "MATCH", match as unknown as string, "COUNT", PAGE_KEYS),
        isPage,
      );
      cursor = next.toString("latin1");
      if (keys.length > 0) yield keys;
    } while (cursor !== "0");
  }

  async #withValues(stored: readonly Buffer[], keys: readonly string[]): Promise<{ page: ScanPage; bytes: number }> {
    const codec: ValueCodec = this.#context.codec;
    const areValues = (reply: unknown): boolean => Array.isArray(reply) && reply.length === stored.length;
    const found = await this.#job("entries", (client) => client.mgetBuffer([...stored]), areValues);
    const page: { keys: string[]; values: Buffer[] } = { keys: [], values: [] };
    let bytes = 0;
    for (const [index, value] of found.entries()) {
      // Gone since the scan, or a key of another type.
      if (value === null) continue;
      const key = keys[index]!;
      bytes += value.length;
      try {
        page.values.push(codec.decode(value, 0, value.length, crc32(stored[index]!)));
      } catch (error) {
        if (error instanceof StateError) throw error.concerning({ operation: "entries", key, backend: "redis" });
        throw error;
      }
      page.keys.push(key);
    }
    return { page, bytes };
  }

  /** @param fits false of a reply that cannot be the answer: after one too many, none that follows would be */
  #job<T>(operation: string, work: (client: Redis) => Promise<T>, fits: (reply: T) => boolean): Promise<T> {
    return this.#jobs.add(async () => {
      let connection: ControlConnection | undefined;
      try {
        connection = await this.#connected();
        const reply = await work(connection.client);
        if (!fits(reply)) throw this.#distrusted(operation, connection);
        return reply;
      } catch (error) {
        const cause = error instanceof StateError ? error : connection?.explain(error);
        if (operation === "clear" && connection !== undefined && !(cause instanceof BackendError)) {
          connection.cut();
          this.#observer.onUnanswered(connection.identity);
        }
        if (cause?.reason === "READONLY") this.#observer.onReadOnly();
        throw cause === undefined ? error : cause.concerning({ operation });
      }
    });
  }

  #distrusted(operation: string, connection: ControlConnection): ConnectionError {
    connection.cut();
    const message = `${this.#address.host}:${this.#address.port}: the replies cannot be trusted any more: not the answer of ${operation}`;
    return new ConnectionError(message, { operation, backend: "redis", retryable: true, reason: "ERR_CONNECTION" });
  }

  #connected(): Promise<ControlConnection> {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#connection === undefined) {
      // By the time it ends, its successor may be there.
      const forget = (): void => {
        if (this.#connection === opening) this.#connection = undefined;
      };
      const opening: Promise<ControlConnection> = this.#open(forget).catch((error: unknown) => {
        forget();
        throw error;
      });
      this.#connection = opening;
    }
    return this.#connection;
  }

  async #open(forget: () => void): Promise<ControlConnection> {
    const tls = await this.#tls();
    if (this.#closed) throw closedError();
    const connection = new ControlConnection(this.#address, this.#context, tls, forget);
    this.#opening = connection;
    try {
      await connection.open();
    } catch (error) {
      throw this.#closed ? closedError() : error;
    } finally {
      this.#opening = undefined;
    }
    return connection;
  }
}

function closedError(): ClosedError {
  return new ClosedError("the engine was closed", { backend: "redis", reason: "ERR_CLOSED" });
}

function isPage(reply: unknown): boolean {
  return Array.isArray(reply) && reply.length === 2 && Buffer.isBuffer(reply[0]) && Array.isArray(reply[1]);
}

function isInfo(reply: unknown): boolean {
  return typeof reply === "string" && reply.startsWith("#");
}

/** The text as a pattern that matches only itself. */
function escapedGlob(text: string): Buffer {
  return Buffer.from(text.replace(/[\\*?[\]]/g, "\\$&"), "utf8");
}

import { Redis } from "ioredis";
import PQueue from "p-queue";
import type { ValueCodec } from "../../codec/value-codec.js";
import { crc32 } from "../../core/crc32.js";
import { ClosedError, ConnectionError, StateError } from "../../core/errors.js";
import { canonicalKeyOfBytes } from "../../core/key.js";
import type { DriverContext, ScanPage } from "../contract.js";
import { connectionFailure } from "./connection-failure.js";
import { errorOfReply } from "./redis-errors.js";
import { HandshakeRefused } from "./wire/handshake.js";
import { type TlsMaterial, tlsOptions } from "./wire/open-socket.js";
import { ErrorReply } from "./wire/protocol-error.js";

const PAGE_KEYS = 512;
/** Values are fetched so many at a time at first, then as many as come to about so many bytes: memory stays bounded. */
const FIRST_VALUES = 8;
const VALUE_BYTES_PER_PAGE = 4 * 1024 * 1024;
const CONCURRENT_JOBS = 4;

export interface ControlAddress {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tls: boolean;
}

/**
 * Scans and administration, through ioredis. It connects on first need. ioredis would resend, retry and queue by
 * itself; all of that is switched off, because only the engine knows what may be sent twice.
 */
export class ControlPlane {
  readonly #address: ControlAddress;
  readonly #context: DriverContext;
  readonly #tls: () => Promise<TlsMaterial | undefined>;
  readonly #prefix: Buffer;
  readonly #jobs = new PQueue({ concurrency: CONCURRENT_JOBS });
  #client: Promise<Redis> | undefined;
  #lastError: Error | undefined;
  #closed = false;

  constructor(address: ControlAddress, context: DriverContext, tls: () => Promise<TlsMaterial | undefined>) {
    this.#address = address;
    this.#tls = tls;
    this.#context = context;
    this.#prefix = Buffer.from(context.keyPrefix, "utf8");
  }

  get connections(): number {
    return this.#client === undefined ? 0 : 1;
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

  async close(): Promise<void> {
    this.#closed = true;
    const opening = this.#client;
    this.#client = undefined;
    if (opening === undefined) return;
    const client = await opening.catch(() => undefined);
    if (client !== undefined) cut(client);
  }

  async *#pages(prefix: string): AsyncIterable<Buffer[]> {
    const match = Buffer.concat([escapedGlob(this.#context.keyPrefix + prefix), Buffer.from("*")]);
    let cursor = "0";
    do {
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
      try {
        const client = await this.#connected();
        const reply = await work(client);
        if (!fits(reply)) throw this.#distrusted(operation, client);
        return reply;
      } catch (error) {
        throw this.#translate(operation, error);
      }
    });
  }

  #distrusted(operation: string, client: Redis): ConnectionError {
    this.#client = undefined;
    cut(client);
    const message = `${this.#address.host}:${this.#address.port}: the replies cannot be trusted any more: not the answer of ${operation}`;
    return new ConnectionError(message, { operation, backend: "redis", retryable: true, reason: "ERR_CONNECTION" });
  }

  #connected(): Promise<Redis> {
    if (this.#closed) {
      const details = { backend: "redis", reason: "ERR_CLOSED" };
      return Promise.reject(new ClosedError("the engine was closed", details));
    }
    this.#client ??= this.#connect().catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  async #connect(): Promise<Redis> {
    const { host, port, database, username, password } = this.#address;
    const { connectTimeoutMs, operationTimeoutMs } = this.#context;
    const tls = await this.#tls();
    this.#lastError = undefined;
    const client = new Redis({
      host,
      port,
      db: database,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(tls === undefined ? {} : { tls: tlsOptions(host, tls) }),
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      connectTimeout: connectTimeoutMs,
      commandTimeout: operationTimeoutMs,
      // Below the command's, so that a silent socket is closed before its commands are given up one by one.
      socketTimeout: Math.max(1, Math.floor(operationTimeoutMs * 0.9)),
      maxLoadingRetryTime: 500,
      // A broken client is thrown away and replaced on next need.
      retryStrategy: () => null,
    });
    client.on("error", (error: Error) => {
      this.#lastError = error;
    });
    client.on("end", () => {
      if (this.#client !== undefined) this.#client = undefined;
    });
    try {
      await client.connect();
    } catch (error) {
      cut(client);
      throw error;
    }
    return client;
  }

  #translate(operation: string, error: unknown): StateError {
    if (error instanceof StateError) return error;
    const failure = error as Error & { name?: string };
    if (failure.name === "ReplyError")
      return errorOfReply(new ErrorReply(failure.message), { operation, backend: "redis" });
    // ioredis hides the socket's own error behind "Connection is closed."; its commands carry the arguments, which
    // may be values, so only messages are kept.
    const cause: Error & { code?: string } = this.#lastError ?? failure;
    const hostPort = `${this.#address.host}:${this.#address.port}`;
    if (cause.name === "ReplyError") {
      return connectionFailure(hostPort, new HandshakeRefused("login", new ErrorReply(cause.message))).concerning({
        operation,
      });
    }
    if (cause.code !== undefined) return connectionFailure(hostPort, cause).concerning({ operation });
    const details = { operation, backend: "redis", retryable: true, reason: "ERR_CONNECTION" };
    return new ConnectionError(`${hostPort}: ${cause.message}`, details);
  }
}

function isPage(reply: unknown): boolean {
  return Array.isArray(reply) && reply.length === 2 && Buffer.isBuffer(reply[0]) && Array.isArray(reply[1]);
}

function isInfo(reply: unknown): boolean {
  return typeof reply === "string" && reply.startsWith("#");
}

/** At once: by itself ioredis gives a server that does not answer two seconds to end its side. */
function cut(client: Redis): void {
  const { stream } = client;
  client.disconnect();
  stream?.destroy();
}

/** The text as a pattern that matches only itself. */
function escapedGlob(text: string): Buffer {
  return Buffer.from(text.replace(/[\\*?[\]]/g, "\\$&"), "utf8");
}

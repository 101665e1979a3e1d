import { Redis } from "ioredis";
import { ConnectionError, type StateError, TimeoutError } from "../../core/errors.js";
import type { DriverContext } from "../contract.js";
import { connectionFailure } from "./connection-failure.js";
import { errorOfReply } from "./redis-errors.js";
import { askIdentity, type ConnectionIdentity, HandshakeRefused, logIn } from "./wire/handshake.js";
import { type TlsMaterial, tlsOptions } from "./wire/open-socket.js";
import { ErrorReply } from "./wire/protocol-error.js";
import type { Reply } from "./wire/reply-parser.js";

/** What ioredis says of a server that does not answer: of its socket, of a command. */
const SILENCE = /^(?:Socket timeout|Command timed out)/;

export interface ControlAddress {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tls: boolean;
}

/**
 * One connection of ioredis. It would resend, retry and queue by itself; all of that is switched off, because only the
 * engine knows what may be sent twice. So is its own handshake: it goes on in database 0 when the server refuses another,
 * asks a server that loads its data again without end, and writes to the console.
 */
export class ControlConnection {
  readonly client: Redis;
  readonly #address: ControlAddress;
  readonly #connectTimeoutMs: number;
  readonly #onEnded: () => void;
  /** What ioredis hides behind "Connection is closed." */
  #failure: Error | undefined;
  #identity: ConnectionIdentity | undefined;

  /** @param onEnded called when it is of no further use, perhaps more than once */
  constructor(address: ControlAddress, context: DriverContext, tls: TlsMaterial | undefined, onEnded: () => void) {
    const { host, port } = address;
    const { connectTimeoutMs, operationTimeoutMs } = context;
    this.#address = address;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#onEnded = onEnded;
    this.client = new Redis({
      host,
      port,
      ...(tls === undefined ? {} : { tls: tlsOptions(host, tls) }),
      lazyConnect: true,
      protocol: 2,
      enableReadyCheck: false,
      disableClientInfo: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      connectTimeout: 0,
      commandTimeout: operationTimeoutMs,
      // Below the command's, so that a silent socket is closed before its commands are given up one by one.
      socketTimeout: Math.max(1, Math.floor(operationTimeoutMs * 0.9)),
      // A broken client is thrown away and replaced on next need.
      retryStrategy: () => null,
    });
    this.client.on("error", (error: Error) => {
      this.#failure = error;
    });
    this.client.on("end", onEnded);
  }

  /** Present once it has been open. */
  get identity(): ConnectionIdentity {
    return this.#identity!;
  }

  get #hostPort(): string {
    return `${this.#address.host}:${this.#address.port}`;
  }

  /**
   * Connects, logs in and selects the database; cut when it rejects.
   * @throws StateError
   */
  async open(): Promise<void> {
    const deadline = setTimeout(() => {
      this.#failure = new Error(`no answer within ${this.#connectTimeoutMs} ms (timeouts.connectMs)`);
      this.cut();
    }, this.#connectTimeoutMs);
    try {
      await this.client.connect();
      await logIn((...args) => this.#ask(args), this.#address, 2);
      this.#identity = await askIdentity((...args) => this.#ask(args));
    } catch (error) {
      this.cut();
      throw this.explain(error);
    } finally {
      clearTimeout(deadline);
    }
  }

  /** At once: by itself ioredis gives a server that does not answer two seconds to end its side. */
  cut(): void {
    this.#onEnded();
    const { stream } = this.client;
    this.client.disconnect();
    stream?.destroy();
  }

  /** Why a command over it, or its handshake, came to nothing. */
  explain(error: unknown): StateError {
    if (error instanceof HandshakeRefused) return connectionFailure(this.#hostPort, error);
    const reply = errorReply(error);
    if (reply !== undefined) return errorOfReply(reply, { backend: "redis" });
    // The commands of ioredis carry their arguments, which may be values, so only messages are kept.
    const cause: Error & { code?: string } = this.#failure ?? (error as Error);
    if (cause.code !== undefined) return connectionFailure(this.#hostPort, cause);
    if (SILENCE.test(cause.message)) {
      const { socketTimeout } = this.client.options;
      return new TimeoutError(`${this.#hostPort}: the server has been silent for ${socketTimeout} ms`, {
        ...{ backend: "redis", retryable: true, reason: "ERR_SILENT_PEER" },
      });
    }
    const details = { backend: "redis", retryable: true, reason: "ERR_CONNECTION" };
    return new ConnectionError(`${this.#hostPort}: ${cause.message}`, details);
  }

  async #ask([name = "", ...args]: string[]): Promise<Reply> {
    try {
      return (await this.client.call(name, ...args)) as Reply;
    } catch (error) {
      const reply = errorReply(error);
      if (reply === undefined) throw error;
      return reply;
    }
  }
}

function errorReply(error: unknown): ErrorReply | undefined {
  return error instanceof Error && error.name === "ReplyError" ? new ErrorReply(error.message) : undefined;
}

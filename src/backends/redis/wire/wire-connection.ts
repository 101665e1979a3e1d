import type { Socket } from "node:net";
import { BusyPoll } from "../../../core/busy-poll.js";
import { ConnectionError, StateError, TimeoutError } from "../../../core/errors.js";
import { Ring } from "../../../core/ring.js";
import { SilenceWatch } from "../../../core/silence-watch.js";
import { ReadSlab } from "../../read-slab.js";
import { connectionFailure } from "../connection-failure.js";
import type { CommandSlab } from "./command-slab.js";
import { encodedCommand } from "./command-slab.js";
import { openSocket, type SocketAddress } from "./open-socket.js";
import { ProtocolError } from "./protocol-error.js";
import { INCOMPLETE, PushReply, type Reply, type ReplyParser } from "./reply-parser.js";

/** Bytes that may wait in this process for a peer that reads slowly before no more are accepted. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** First byte of a pushed message. */
const PUSH = 0x3e;
/** Reads that take less are not counted against the turn. */
const LIGHT_READ_MS = 0.3;
const MAX_TURN_MS = 2;

/** Something whose replies are due, in the order in which the things were sent. */
export interface Expectation {
  /** Consumes what has arrived; true when its last reply has been read. Throws ProtocolError. */
  consume(slab: ReadSlab): boolean;
  /** The connection is gone. */
  abort(cause: StateError): void;
}

export interface WireConnectionOptions extends SocketAddress {
  readonly connectTimeoutMs: number;
  /** Milliseconds without a byte, while replies are due, after which the peer counts as gone. */
  readonly silenceMs: number;
  readonly parser: ReplyParser;
  /** Of the replies before the connection is ready. */
  readonly handshakeParser: ReplyParser;
  /** As `BusyPoll` takes it. */
  readonly busyPollMs: number;
  /** Called once, when the connection was ready and is no more. */
  readonly onClosed: (cause: StateError) => void;
  /** Called when bytes have left this process. */
  readonly onDrained: () => void;
}

/** One reply to one command, as a promise. For the handshake and other rare commands. */
class SingleReply implements Expectation {
  readonly #parser: ReplyParser;
  readonly #settle: (reply: Reply | StateError) => void;

  constructor(parser: ReplyParser, settle: (reply: Reply | StateError) => void) {
    this.#parser = parser;
    this.#settle = settle;
  }

  consume(slab: ReadSlab): boolean {
    while (slab.start < slab.end) {
      const reply = this.#parser.take(slab);
      if (reply === INCOMPLETE) return false;
      if (reply instanceof PushReply) continue;
      this.#settle(reply);
      return true;
    }
    return false;
  }

  abort(cause: StateError): void {
    this.#settle(cause);
  }
}

/**
 * A TCP connection that sends slabs and hands the replies to whoever is due, first in, first out. It never sends
 * anything twice: when it ends, for whatever reason, all that was due is told so, and it is of no further use.
 */
export class WireConnection {
  readonly #options: WireConnectionOptions;
  readonly #socket: Socket;
  readonly #slab = new ReadSlab();
  readonly #due = new Ring<Expectation>(64);
  /** Expectations that there ever were. */
  #sent = 0;
  readonly #freeSlabs: CommandSlab[] = [];
  /** Given to the socket, which says of one after the other that it has left. */
  readonly #leaving = new Ring<CommandSlab>(64);
  readonly #poll: BusyPoll;
  #state: "connecting" | "ready" | "closed" = "connecting";
  readonly #silence: SilenceWatch;
  /** Time that heavy reads took in this turn of the event loop. */
  #turnMs = 0;

  constructor(options: WireConnectionOptions) {
    this.#options = options;
    options.parser.reset();
    options.handshakeParser.reset();
    this.#poll = new BusyPoll(options.busyPollMs);
    this.#silence = new SilenceWatch(
      options.silenceMs,
      () => this.#due.size > 0,
      (silentMs) => this.destroy(this.#silenceError(Math.round(silentMs))),
    );
    this.#socket = openSocket(
      options,
      () => this.#slab.room(),
      (received) => this.#receive(received),
    );
    this.#socket.on("error", (error: Error & { code?: string }) => {
      const isReset = error.code === "ECONNRESET" && this.#state === "connecting";
      this.destroy(isReset ? this.#connectionError(this.#closedBy(), error) : connectionFailure(this.address, error));
    });
    this.#socket.on("close", () => this.destroy(this.#connectionError(this.#closedBy())));
  }

  get address(): string {
    return `${this.#options.host}:${this.#options.port}`;
  }

  get isReady(): boolean {
    return this.#state === "ready";
  }

  /** Whether bytes given now would leave this process soon. */
  get isWritable(): boolean {
    return this.#state === "ready" && this.#socket.writableLength < HIGH_WATER_BYTES;
  }

  /** Whether replies are due behind those that are being read. */
  get isAnotherDue(): boolean {
    return this.#due.size > 1;
  }

  /** Whether no reply is due: nothing would show that the peer has gone. */
  get isIdle(): boolean {
    return this.#state === "ready" && this.#due.size === 0;
  }

  /** How much was sent so far, for `hasAnswered`. */
  get sent(): number {
    return this.#sent;
  }

  /** Whether nothing is due any more of what had been sent when `sent` was so much. */
  hasAnswered(sent: number): boolean {
    return this.#sent - this.#due.size >= sent;
  }

  /** Whether bytes still wait in this process. */
  get hasUnsentBytes(): boolean {
    return this.#leaving.size > 0;
  }

  /** Runs the handshake; the connection is ready when it resolves and destroyed when it rejects. */
  async open<T>(handshake: (ask: (...args: string[]) => Promise<Reply>) => Promise<T>): Promise<T> {
    const { connectTimeoutMs } = this.#options;
    const timer = setTimeout(() => {
      const waited = `no answer within ${Math.round(connectTimeoutMs)} ms (timeouts.connectMs)`;
      const isTlsMissing = this.#options.tls !== undefined && this.#socket.bytesRead === 0;
      const hint = isTlsMissing ? "; a server that does not speak TLS does that (redis://)" : "";
      this.destroy(this.#connectionError(waited + hint));
    }, connectTimeoutMs);
    try {
      const result = await handshake((...args) => this.ask(...args));
      // The last replies of the handshake may have come together with what ended the connection.
      if (this.#state === "closed") throw this.#connectionError("the connection ended with the handshake");
      this.#state = "ready";
      return result;
    } catch (error) {
      this.destroy(this.#connectionError("the handshake failed", error));
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** An empty slab, taken from those that have been sent. */
  takeSlab(create: () => CommandSlab): CommandSlab {
    const slab = this.#freeSlabs.pop() ?? create();
    slab.reset();
    return slab;
  }

  /**
   * Sends a filled slab; it must not be touched again by the caller.
   * @param isAwaited whether little else is under way, so that this thread has nothing to do until the reply is there
   */
  send(slab: CommandSlab, expectation: Expectation, isAwaited: boolean): void {
    if (isAwaited) this.#poll.expect();
    this.#expect(expectation);
    this.#leaving.push(slab);
    this.#socket.write(slab.bytes.subarray(0, slab.length), this.#hasLeft);
  }

  readonly #hasLeft = (): void => {
    this.#freeSlabs.push(this.#leaving.shift()!);
    if (this.#leaving.size === 0) this.#options.onDrained();
  };

  /** Sends one slab whose single reply is handed to `settle`. */
  sendForReply(slab: CommandSlab, settle: (reply: Reply | StateError) => void): void {
    this.send(slab, new SingleReply(this.#options.parser, settle), false);
  }

  /**
   * One reply of the server about itself, however short values may be: in a handshake, or behind all that was sent.
   * @throws StateError
   */
  ask(...args: string[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#state === "closed") {
        reject(this.#connectionError("the connection is closed"));
        return;
      }
      const settle = (reply: Reply | StateError): void => {
        if (reply instanceof StateError) reject(reply);
        else resolve(reply);
      };
      this.#expect(new SingleReply(this.#options.handshakeParser, settle));
      this.#socket.write(encodedCommand(args));
    });
  }

  destroy(cause: StateError): void {
    if (this.#state === "closed") return;
    const wasReady = this.#state === "ready";
    this.#state = "closed";
    this.#silence.stop();
    this.#socket.destroy();
    for (;;) {
      const expectation = this.#due.shift();
      if (expectation === undefined) break;
      expectation.abort(cause);
    }
    if (wasReady) this.#options.onClosed(cause);
  }

  #expect(expectation: Expectation): void {
    if (this.#due.size === 0 && this.#state === "ready") this.#silence.begin();
    this.#sent++;
    this.#due.push(expectation);
  }

  #receive(received: number): boolean {
    if (this.#state === "closed") return false;
    const slab = this.#slab;
    slab.end += received;
    const startedMs = performance.now();
    this.#silence.progressed(startedMs);
    try {
      while (slab.start < slab.end) {
        const expectation = this.#due.peek();
        if (expectation === undefined) {
          this.#takeUnasked();
          break;
        }
        if (!expectation.consume(slab)) break;
        this.#due.shift();
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.destroy(this.#connectionError(`the replies cannot be trusted any more: ${error.message}`, error));
    }
    this.#poll.answered(this.#due.size === 0);
    return !this.#keptTheLoop(performance.now() - startedMs);
  }

  /**
   * Whether replies, decompressed as they come, have kept the event loop long enough for this turn: a socket offers up
   * to 32 reads in a row. Reading goes on in the next turn.
   */
  #keptTheLoop(tookMs: number): boolean {
    if (tookMs < LIGHT_READ_MS) return false;
    if (this.#turnMs === 0) setImmediate(this.#loopTurned);
    this.#turnMs += tookMs;
    return this.#turnMs > MAX_TURN_MS && this.#state !== "closed";
  }

  readonly #loopTurned = (): void => {
    if (this.#turnMs > MAX_TURN_MS && this.#state !== "closed") this.#socket.resume();
    this.#turnMs = 0;
  };

  /** Bytes with nothing due: pushed messages are fine, anything else means that the replies have shifted. */
  #takeUnasked(): void {
    const slab = this.#slab;
    while (slab.start < slab.end) {
      // Even the beginning of one: the rest would be taken for the answer to what is asked next.
      if (slab.bytes[slab.start] !== PUSH) throw new ProtocolError("a reply to nothing");
      const reply = this.#options.parser.take(slab);
      if (reply === INCOMPLETE) return;
      if (!(reply instanceof PushReply)) throw new ProtocolError("a reply to nothing");
    }
  }

  /** A port that expects TLS closes on what it cannot read. */
  #closedBy(): string {
    const isSilent = this.#state === "connecting" && this.#socket.bytesRead === 0 && this.#options.tls === undefined;
    return `the server closed the connection${isSilent ? " without an answer; one that expects TLS does that (rediss://)" : ""}`;
  }

  #connectionError(message: string, cause?: unknown): ConnectionError {
    return new ConnectionError(`${this.address}: ${message}`, {
      backend: "redis",
      retryable: true,
      reason: "ERR_CONNECTION",
      cause,
    });
  }

  #silenceError(silentMs: number): TimeoutError {
    return new TimeoutError(`${this.address}: the server has been silent for ${silentMs} ms`, {
      backend: "redis",
      retryable: true,
      reason: "ERR_SILENT_PEER",
    });
  }
}

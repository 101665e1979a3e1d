import { ConnectionError, type ErrorDetails, type Outcome, StateError } from "../../core/errors.js";
import type { Batch } from "../batch.js";
import type { DriverContext } from "../contract.js";
import { placeError, takeOutLost } from "../located-error.js";
import { Kind, OPERATION_NAMES, type Request } from "../request.js";
import type { ChangeFeed } from "./change-feed.js";
import { connectionFailure } from "./connection-failure.js";
import type { ControlAddress } from "./control-connection.js";
import { isOfReplica, isPassing } from "./redis-errors.js";
import { type EncodedBatch, encodeBatch, encodeSwap } from "./wire/batch-encoder.js";
import { BatchReader } from "./wire/batch-reader.js";
import { CommandSlab, encodedCommand } from "./wire/command-slab.js";
import { type ConnectionIdentity, isCountOrRefusal, type ServerFacts, shakeHands } from "./wire/handshake.js";
import type { TlsMaterial } from "./wire/open-socket.js";
import { ErrorReply } from "./wire/protocol-error.js";
import type { ReaderContext } from "./wire/reader-context.js";
import { type Reply, ReplyParser } from "./wire/reply-parser.js";
import { type Expectation, WireConnection } from "./wire/wire-connection.js";

/** Frames, keys and headers around the longest value. */
const BULK_OVERHEAD_BYTES = 64;
/** The longest bulk a stock server sends; above it a length is damage, not data. */
export const MAX_BULK_BYTES = 512 * 1024 * 1024;

/** What a server says of itself is kept whole, however short the values may be. */
const MAX_HANDSHAKE_REPLY_BYTES = 64 * 1024;

/** A server that cannot end a connection for now is asked again after so long. */
const ASK_AGAIN_MS = 50;

/** Larger batches mean that callers keep this thread at work, and the sleep between them is short. */
const MAX_AWAITED_OPERATIONS = 32;

const PING = encodedCommand(["PING"]);

export interface LaneOptions {
  readonly address: ControlAddress;
  readonly tls: TlsMaterial | undefined;
  readonly context: DriverContext;
  readonly libraryVersion: string;
  /** Hears of changes on this lane's connection; undefined: nobody wants to know. */
  readonly feed: ChangeFeed | undefined;
  readonly connectTimeoutMs: number;
  /** As `BusyPoll` takes it. */
  readonly busyPollMs: number;
  /** Called once, when it was open and is no more; what was due on it has been told. */
  readonly onLost: (lane: Lane, cause: StateError) => void;
  /** A batch that was sent whole has been answered or has failed. */
  readonly onBatchEnded: () => void;
  /** Something that was sent has been answered or has failed: perhaps nothing is due any more. */
  readonly onReplied: () => void;
  /** The server has refused something because it is a replica. */
  readonly onReadOnly: () => void;
  /** A write of a batch that was sent is about to be sent once more: the first time did not carry it out. */
  readonly onWrittenAgain: (request: Request) => void;
}

/** One connection for data, from its handshake to its end, and what is sent over it. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #connection: WireConnection;
  readonly #reader: ReaderContext;
  #facts: ServerFacts | undefined;
  /** Whether the server tells of changes of what is read over this connection. */
  #isTracked = false;
  /** Something was sent since the last look. */
  #isUsed = false;

  constructor(options: LaneOptions) {
    const { address, context, feed } = options;
    this.#options = options;
    const onError = (reply: ErrorReply): void => {
      if (isOfReplica(reply)) options.onReadOnly();
    };
    const newParser = (maxKeptBytes: number): ReplyParser =>
      new ReplyParser(MAX_BULK_BYTES, maxKeptBytes, (message) => feed?.take(message), onError);
    const parser = newParser(context.maxValueBytes + BULK_OVERHEAD_BYTES);
    this.#reader = {
      codec: context.codec,
      parser,
      keyPrefix: Buffer.from(context.keyPrefix, "utf8"),
      maxValueBytes: context.maxValueBytes,
      maxBulkBytes: MAX_BULK_BYTES,
      place: { isDoubtful: false },
      onError,
      isAnotherDue: () => this.#connection.isAnotherDue,
      swapAgain: (request, storedForm, then) => this.#swapAgain(request, storedForm, then),
    };
    this.#connection = new WireConnection({
      tls: options.tls,
      host: address.host,
      port: address.port,
      connectTimeoutMs: options.connectTimeoutMs,
      silenceMs: context.operationTimeoutMs,
      parser,
      handshakeParser: newParser(MAX_HANDSHAKE_REPLY_BYTES),
      busyPollMs: options.busyPollMs,
      onClosed: (cause) => this.#closed(cause),
      onDrained: context.onWritable,
    });
  }

  /**
   * Connects. Whatever connections are named in `ended` is ended by the server before anything is sent over this one.
   * @param isAlone whether no other connection is open when it begins to follow changes
   * @throws StateError
   */
  async open(ended: readonly ConnectionIdentity[], isAlone: () => boolean): Promise<void> {
    const { address, feed, libraryVersion } = this.#options;
    try {
      this.#facts = await this.#connection.open(async (ask) => {
        const facts = await shakeHands(ask, address, libraryVersion, ended);
        if (feed !== undefined) this.#isTracked = await feed.begin(ask, facts, isAlone());
        return facts;
      });
    } catch (error) {
      if (this.#isTracked) feed?.lost();
      if (error instanceof StateError) throw error;
      throw connectionFailure(hostPortOf(address), error);
    }
  }

  get address(): ControlAddress {
    return this.#options.address;
  }

  /** Present once it has been open. */
  get facts(): ServerFacts {
    return this.#facts!;
  }

  get isOpen(): boolean {
    return this.#connection.isReady;
  }

  get isWritable(): boolean {
    return this.#connection.isWritable;
  }

  /** Open, and no reply is due. */
  get isIdle(): boolean {
    return this.#connection.isIdle;
  }

  /** As `WireConnection.sent`. */
  get sent(): number {
    return this.#connection.sent;
  }

  /** As `WireConnection.hasAnswered`. */
  hasAnswered(sent: number): boolean {
    return this.#connection.hasAnswered(sent);
  }

  get hasUnsentBytes(): boolean {
    return this.#connection.hasUnsentBytes;
  }

  /** @param isPart of a batch whose end is known elsewhere */
  send(batch: Batch, isPart: boolean): void {
    const connection = this.#connection;
    if (!connection.isReady) {
      this.fail(batch, notConnected(this.#options.address), isPart);
      return;
    }
    const slab = connection.takeSlab(this.#newSlab);
    let encoded: EncodedBatch;
    try {
      encoded = encodeBatch(slab, batch, this.#facts?.hasMsetex === true, this.#isTracked);
    } catch (error) {
      this.#unencodable(batch, error, isPart);
      return;
    }
    this.#isUsed = true;
    const expectation = new BatchExpectation(new BatchReader(encoded, this.#reader), this.#options, isPart);
    connection.send(slab, expectation, batch.size <= MAX_AWAITED_OPERATIONS);
    batch.stampWritten();
  }

  /** Nothing has been sent. The slab is left to the collector, with whatever stands in it. */
  #unencodable(batch: Batch, error: unknown, isPart: boolean): void {
    if (!takeOutLost(batch, error, "redis")) {
      this.fail(batch, placeError(error, "batch", undefined, "redis", "not-applied"), isPart);
    } else if (batch.leaders().length > 0) {
      this.send(batch, isPart);
    } else {
      this.#endUnsent(batch, isPart);
    }
  }

  /** Nothing of it was sent. */
  fail(batch: Batch, error: StateError, isPart: boolean): void {
    failEach(batch, error);
    this.#endUnsent(batch, isPart);
  }

  #endUnsent(batch: Batch, isPart: boolean): void {
    batch.complete();
    if (!isPart) this.#options.onBatchEnded();
  }

  /** To be called now and then: a peer that has had nothing to answer meanwhile has to show that it is there. */
  look(): void {
    const wasUsed = this.#isUsed;
    this.#isUsed = false;
    if (!wasUsed && this.isIdle) this.#ping();
  }

  /** Without any answer the connection is given up. */
  #ping(): void {
    this.#isUsed = true;
    const slab = this.#connection.takeSlab(this.#newSlab);
    slab.constant(PING);
    this.#sendForReply(slab, (reply) => {
      if (!(reply instanceof StateError || reply instanceof ErrorReply)) this.#mustFit("PING", reply === "PONG");
    });
  }

  /**
   * Has the server end another connection; `done` when it has, or never would. One that cannot for now is asked again:
   * what it holds of that connection it would carry out later. Not called if this one is lost before.
   */
  end(connection: ConnectionIdentity, done: () => void): void {
    if (!this.isOpen) return;
    const slab = this.#connection.takeSlab(this.#newSlab);
    slab.constant(encodedCommand(["CLIENT", "KILL", "ID", String(connection.clientId)]));
    this.#sendForReply(slab, (reply) => {
      if (reply instanceof StateError) return;
      if (isPassing(reply)) setTimeout(() => this.end(connection, done), ASK_AGAIN_MS).unref();
      else if (this.#mustFit("CLIENT KILL", isCountOrRefusal(reply))) done();
    });
  }

  /**
   * One reply of the server about itself, behind all that was sent over this lane before.
   * @throws StateError
   */
  async ask(...args: string[]): Promise<Reply> {
    try {
      return await this.#connection.ask(...args);
    } finally {
      this.#options.onReplied();
    }
  }

  destroy(cause: StateError): void {
    this.#connection.destroy(cause);
  }

  /** One reply too many, and each is taken for the answer to another question. */
  #mustFit(question: string, fits: boolean): boolean {
    if (fits) return true;
    const message = `${hostPortOf(this.address)}: the replies cannot be trusted any more: not the answer to ${question}`;
    this.destroy(new ConnectionError(message, { backend: "redis", reason: "ERR_CONNECTION", retryable: true }));
    return false;
  }

  #closed(cause: StateError): void {
    if (this.#isTracked) this.#options.feed?.lost();
    this.#options.onLost(this, cause);
  }

  readonly #newSlab = (): CommandSlab => {
    const { codec, keyPrefix } = this.#options.context;
    return new CommandSlab(codec, keyPrefix);
  };

  #sendForReply(slab: CommandSlab, then: (reply: Reply | StateError) => void): void {
    this.#connection.sendForReply(slab, (reply) => {
      then(reply);
      this.#options.onReplied();
    });
  }

  #swapAgain(request: Request, storedForm: Buffer, then: (reply: Reply | StateError) => void): void {
    if (!this.#connection.isReady) {
      then(notConnected(this.#options.address).concerning(placeOf(request)));
      return;
    }
    const slab = this.#connection.takeSlab(this.#newSlab);
    encodeSwap(slab, request, storedForm);
    this.#options.onWrittenAgain(request);
    this.#sendForReply(slab, (reply) => {
      then(reply instanceof StateError ? lostError(request, reply) : reply);
    });
  }
}

/** A batch's replies, as the connection sees them. */
class BatchExpectation implements Expectation {
  readonly #reader: BatchReader;
  readonly #options: LaneOptions;
  readonly #isPart: boolean;

  constructor(reader: BatchReader, options: LaneOptions, isPart: boolean) {
    this.#reader = reader;
    this.#options = options;
    this.#isPart = isPart;
  }

  consume(slab: Parameters<BatchReader["consume"]>[0]): boolean {
    const isRead = this.#reader.consume(slab);
    if (isRead) this.#ended();
    return isRead;
  }

  abort(cause: StateError): void {
    this.#reader.abort((request) => lostError(request, cause));
    this.#ended();
  }

  #ended(): void {
    if (!this.#isPart) this.#options.onBatchEnded();
    this.#options.onReplied();
  }
}

export function hostPortOf({ host, port }: ControlAddress): string {
  return `${host}:${port}`;
}

export function notConnected(address: ControlAddress): ConnectionError {
  const details = { backend: "redis", reason: "ERR_CONNECTION", retryable: true };
  return new ConnectionError(`${hostPortOf(address)}: not connected`, details);
}

/** Nothing of the batch was sent. */
export function failAll(batch: Batch, error: StateError): void {
  failEach(batch, error);
  batch.complete();
}

function failEach(batch: Batch, error: StateError): void {
  batch.forEachLeader((leader) => batch.fail(leader, error.concerning(placeOf(leader))));
}

/** Sent, and no answer will come: a write may have been applied. */
function lostError(request: Request, cause: StateError): StateError {
  const readOnly = request.kind === Kind.get || request.kind === Kind.contains || request.kind === Kind.ttl;
  const outcome: Outcome = readOnly ? "not-applied" : "unknown";
  return cause.concerning({ ...placeOf(request), outcome });
}

function placeOf(request: Request): ErrorDetails {
  const operation = OPERATION_NAMES[request.kind];
  const place = { operation, backend: "redis" };
  return request.kind === Kind.transaction ? place : { ...place, key: request.key };
}

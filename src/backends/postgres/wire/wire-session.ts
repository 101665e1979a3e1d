import type { Socket } from "node:net";
import type { StateError } from "../../../core/errors.js";
import { Ring } from "../../../core/ring.js";
import { SilenceWatch } from "../../../core/silence-watch.js";
import type { ReadSlab } from "../../read-slab.js";
import { placeOf } from "../client-settings.js";
import {
  connectFailure,
  connectionError,
  fatalError,
  isLostStatement,
  type ServerFailure,
  silenceError,
} from "../errors.js";
import { type OpeningOptions, openClient, type SessionFacts, socketOf } from "../opened-client.js";
import type { EncodedStatement } from "./encoded-statement.js";
import { errorFields, Message, MessageReader, ProtocolError } from "./message-reader.js";
import { type StatementSlab, SYNC } from "./statement-slab.js";

/** Bytes that may wait in this process for a peer that reads slowly before no more are accepted. */
const HIGH_WATER_BYTES = 1024 * 1024;
const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4]);

/** What is due for one group of statements that end in a Sync: they take effect, or fail, together. */
export interface Exchange {
  /** A row; the bytes, of a DataRow's body, are valid during the call only. */
  row(bytes: Buffer, start: number, end: number): void;
  /** Optional: takes rows at once, as `RowsHandler` says; those that it leaves come one by one. */
  rows?(slab: ReadSlab): boolean;
  /** One of the statements has run; not yet committed. */
  ran?(): void;
  /** Done and committed, or refused and taken back. */
  settled(failure: ServerFailure | undefined): void;
  /**
   * No answer will come.
   * @param wasSent false: the server has not had it and will not
   */
  lost(cause: StateError, wasSent: boolean): void;
}

/** A group of statements that has not left. */
interface Unsent {
  readonly slab: StatementSlab;
  readonly from: number;
  readonly to: number;
  readonly isLast: boolean;
}

/** Of an empty group of statements. */
const SIGN_OF_LIFE: Exchange = {
  row() {
    throw new ProtocolError("a row of nothing");
  },
  settled() {},
  lost() {},
};

export interface SessionOptions extends OpeningOptions {
  /** Called once, when the session ends after it had been opened, before what is due is told. */
  readonly onAborting: () => void;
  /** Called once, when the session ended after it had been opened. */
  readonly onClosed: (cause: StateError) => void;
  /** Called when bytes have left this process. */
  readonly onDrained: () => void;
}

/**
 * A connection on which groups of statements follow each other without waiting for answers. `pg` makes it, TLS and
 * login included; then its socket is taken over, because `pg` turns every column into a string of UTF-16 and every
 * row into an object, and knows no batch. Nothing is ever sent twice: when the session ends, all that was due is told
 * so.
 *
 * Behind a pooler each group waits for the answer to the one before. What follows while a transaction is under way some
 * of them lose: PgBouncer 1.18 now and then, or it sends the server the rest of another message; Supavisor always
 * (porsager/postgres#970).
 */
export class WireSession {
  readonly facts: SessionFacts;
  /** Statements that the server has under their names; undefined: none is named. */
  prepared: Set<EncodedStatement> | undefined;
  readonly #options: SessionOptions;
  readonly #socket: Socket;
  readonly #reader: MessageReader;
  readonly #due = new Ring<Exchange>(16);
  /** Of those that are due the last ones. */
  readonly #unsent = new Ring<Unsent>(2);
  readonly #freeSlabs: StatementSlab[] = [];
  #current: Exchange | undefined;
  #failure: ServerFailure | undefined;
  #isClosed = false;
  #unsentWrites = 0;
  readonly #silence: SilenceWatch;
  /** Counts what the socket has brought, so that results of one chunk can share a clock reading. */
  chunks = 0;

  private constructor(options: SessionOptions, socket: Socket, facts: SessionFacts) {
    this.#options = options;
    this.#socket = socket;
    this.facts = facts;
    // A pooler may hand each transaction to another server, which knows no name of ours.
    this.prepared = (options.address.prepared ?? !facts.isPooled) ? new Set() : undefined;
    this.#reader = new MessageReader(
      (type, bytes, start, end) => this.#take(type, bytes, start, end),
      (slab) => !this.#isClosed && this.#due.peek()?.rows?.(slab) === true,
    );
    this.#silence = new SilenceWatch(
      options.silenceMs,
      () => this.#due.size > 0,
      (silentMs) => this.destroy(silenceError(this.place, silentMs)),
    );
    socket.removeAllListeners("data");
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.destroy(connectFailure(this.place, error)));
    socket.on("close", () => this.destroy(connectionError(this.place, "the server closed the connection")));
    socket.on("drain", () => options.onDrained());
  }

  /** @throws ConnectionError; `retryable` tells whether another attempt may end otherwise */
  static async open(options: SessionOptions): Promise<WireSession> {
    const { client, facts } = await openClient(options);
    return new WireSession(options, socketOf(client), facts);
  }

  get place(): string {
    return placeOf(this.#options.address);
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  get isWritable(): boolean {
    return !this.#isClosed && this.#socket.writableLength < HIGH_WATER_BYTES;
  }

  /** Whether bytes still wait in this process. */
  get hasUnsentBytes(): boolean {
    if (this.#unsent.size > 0) return true;
    return this.#unsentWrites > 0 && this.#socket.writableLength > 0;
  }

  /** What is sent while something is due waits here. */
  get isOneByOne(): boolean {
    return this.facts.isPooled;
  }

  /** Groups of statements handed over and not answered. */
  get due(): number {
    return this.#due.size;
  }

  takeSlab(create: () => StatementSlab): StatementSlab {
    const slab = this.#freeSlabs.pop() ?? create();
    slab.reset();
    return slab;
  }

  /** Sends a filled slab, which must not be touched again by the caller; `exchanges`: one for each Sync in it. */
  send(slab: StatementSlab, exchanges: readonly Exchange[]): void {
    const isFirst = this.#due.size === 0;
    this.#expectAnswers();
    for (const exchange of exchanges) this.#due.push(exchange);
    if (!this.isOneByOne) {
      this.#write({ slab, from: 0, to: slab.length, isLast: true });
      return;
    }
    const last = slab.ends.length - 1;
    slab.ends.forEach((to, i) => {
      this.#unsent.push({ slab, from: slab.ends[i - 1] ?? 0, to, isLast: i === last });
    });
    if (isFirst) this.#sendNext();
  }

  #sendNext(): void {
    const group = this.#unsent.shift();
    if (group !== undefined) this.#write(group);
  }

  #write({ slab, from, to, isLast }: Unsent): void {
    this.#unsentWrites++;
    this.#socket.write(slab.bytes.subarray(from, to), () => {
      this.#unsentWrites--;
      if (isLast) this.#freeSlabs.push(slab);
    });
  }

  /** Has a server that is gone in silence found out before something is sent to it; does nothing while answers are due. */
  askForLife(): void {
    if (this.#isClosed || this.#due.size > 0) return;
    this.#expectAnswers();
    this.#due.push(SIGN_OF_LIFE);
    this.#socket.write(SYNC);
  }

  /** Takes leave of the server; nothing must be due. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#silence.stop();
    this.#socket.end(TERMINATE);
  }

  destroy(cause: StateError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#silence.stop();
    this.#socket.destroy();
    this.#options.onAborting();
    const failure = this.#failure;
    for (;;) {
      const wasSent = this.#due.size > this.#unsent.size;
      const exchange = this.#due.shift();
      if (exchange === undefined) break;
      // Refused already: what is missing is only that the server is ready for more.
      if (exchange === this.#current && failure !== undefined) exchange.settled(failure);
      else exchange.lost(cause, wasSent);
    }
    this.#options.onClosed(cause);
  }

  #expectAnswers(): void {
    if (this.#due.size === 0) this.#silence.begin();
  }

  #receive(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.chunks++;
    this.#silence.progressed(performance.now());
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.destroy(connectionError(this.place, `the answers cannot be trusted any more: ${error.message}`, error));
    }
  }

  #take(type: number, bytes: Buffer, start: number, end: number): void {
    if (this.#isClosed) return;
    const exchange = this.#due.peek();
    switch (type) {
      case Message.dataRow:
        if (exchange === undefined) throw new ProtocolError("a row of nothing");
        exchange.row(bytes, start, end);
        break;
      case Message.commandComplete:
        if (exchange === undefined) throw new ProtocolError("an answer to nothing");
        exchange.ran?.();
        break;
      case Message.errorResponse:
        this.#takeError(errorFields(bytes, start, end), exchange);
        break;
      case Message.readyForQuery: {
        if (exchange === undefined) throw new ProtocolError("an answer to nothing");
        const failure = this.#failure;
        this.#failure = undefined;
        this.#current = undefined;
        this.#due.shift();
        this.#sendNext();
        if (failure !== undefined) this.#forgetPrepared(failure);
        exchange.settled(failure);
        break;
      }
    }
  }

  #takeError(fields: ReadonlyMap<string, string>, exchange: Exchange | undefined): void {
    const severity = fields.get("V") ?? fields.get("S") ?? "";
    const failure: ServerFailure = {
      code: fields.get("C") ?? "XX000",
      message: fields.get("M") ?? "the server gave no reason",
      isFatal: severity === "FATAL" || severity === "PANIC",
    };
    if (failure.isFatal || exchange === undefined) {
      this.destroy(fatalError(this.place, failure));
      return;
    }
    this.#failure ??= failure;
    this.#current = exchange;
  }

  /** What was to be prepared behind a failed statement was not. A server that has lost a name is asked for none again. */
  #forgetPrepared(failure: ServerFailure): void {
    if (isLostStatement(failure)) this.prepared = undefined;
    else this.prepared?.clear();
  }
}

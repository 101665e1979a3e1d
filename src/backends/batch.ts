import type { StateError } from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import { shortLivedList } from "../core/short-lived-list.js";
import { Kind, type Request, type TransactionStep } from "./request.js";

const NONE: readonly Request[] = [];

/** What a batch tells the pipeline that made it. */
export interface BatchOwner {
  nowUs(): number;
  /** Every request of `leader`'s chain has this result. A Buffer handed over belongs to the caller from then on. */
  requestSucceeded(batch: Batch, leader: Request, result: unknown): void;
  /** @param withOthers as `Batch.refuseWithOthers` says */
  requestFailed(batch: Batch, leader: Request, error: StateError, withOthers: boolean): void;
  batchCompleted(batch: Batch): void;
  defersDecoding(batch: Batch, rawBytes: number): boolean;
}

/** A class, as `shortLivedList` says of literals. */
export class UndecodedRead {
  readonly leader: Request;
  readonly stored: Buffer;
  readonly keyChecksum: number;

  constructor(leader: Request, stored: Buffer, keyChecksum: number) {
    this.leader = leader;
    this.stored = stored;
    this.keyChecksum = keyChecksum;
  }
}

/** Which keys the next batch had better have, for a driver that works on several batches side by side. */
export interface BatchChoice {
  /**
   * False: requests of this key had better wait for another batch.
   * @param hash of the key: equal for equal keys, a signed integer of 32 bits
   */
  suits(key: CanonicalKey, hash: number): boolean;
}

/**
 * One flush: requests that travel together. No key stands in two groups, with two exceptions: a key may be in
 * `probes` and in `reads`, and in these and one of the write groups, and then the read must not see the write. A store that
 * works the groups off in the order in which they are declared gives every caller program order per key.
 */
export class Batch {
  /** contains. No key twice; one that stands in `reads` too was called first. Result: boolean. */
  readonly probes: Request[] = shortLivedList();
  /** get. No key twice. Result: Buffer, or null when absent. */
  readonly reads: Request[] = shortLivedList();
  /** delete. No key twice. Result: boolean, whether the key existed. */
  readonly deletes: Request[] = shortLivedList();
  /** put without expiry. No key twice, none shared with `deletes` or `expiringPuts` unless the delete was called first. */
  readonly puts: Request[] = shortLivedList();
  /** put with expiry (`ttlMs` > 0). */
  readonly expiringPuts: Request[] = shortLivedList();
  /**
   * Everything else in the order of the calls. Keys stand in no other group; the same key twice only in a run of
   * increments, which a store refuses with a retryable error only together. Results: setIfNotExists, compareAndSwap, expire boolean; getAndDelete Buffer | null;
   * increment bigint; ttl number | null (Infinity: never expires); transaction undefined.
   */
  readonly others: Request[] = shortLivedList();
  /** Number of caller operations, the shared and superseded ones included. */
  size = 0;
  /** Bytes of keys and values, estimated for strings. */
  bytes = 0;
  /** Wrapping microseconds, set when its requests left the queue. */
  plannedAtUs = 0;
  /** Wrapping microseconds, set when the batch is handed to the driver. */
  sentAtUs = 0;
  /** Wrapping microseconds at which all of it was encoded and handed on; 0: not stamped. */
  writtenAtUs = 0;
  /** Marks of the pipeline: position in the order of batches. */
  sequence = 0;
  /** Said of each of its keys that it suits; undefined: there was none, or not all were asked about. */
  choice: BatchChoice | undefined = undefined;
  /** So many requests may share a command: fewer, where one that some of them shared was refused for one perhaps. */
  mostTogether = Number.POSITIVE_INFINITY;
  /** Were in a group, until it showed that they cannot be written down. */
  takenOut: readonly Request[] = NONE;
  /** A request was given up while the batch waited to be handed to the driver: it must not be sent. */
  isStale = false;
  /** Its callers have their answers in parts, and not all in one go. */
  isAnsweredInParts = false;
  /** Some request in it was answered. */
  hasSucceeded = false;
  /** Code of the first that did. */
  firstErrorCode: string | undefined = undefined;
  #writtenKeys: Set<CanonicalKey> | undefined;
  #readKeys: Set<CanonicalKey> | undefined;
  /** Wrapping microseconds at which results arrived; 0: not stamped. */
  resultsAtUs = 0;
  /** What was handed over with `succeedStored`. */
  undecoded: UndecodedRead[] | undefined = undefined;
  readonly #owner: BatchOwner;

  constructor(owner: BatchOwner) {
    this.#owner = owner;
  }

  /** Wrapping microseconds of the clock that its other times are of. */
  nowUs(): number {
    return this.#owner.nowUs();
  }

  /** Settles a request and all that share its fate. Exactly one of succeed and fail per request in a group. */
  succeed(leader: Request, result: unknown): void {
    this.#owner.requestSucceeded(this, leader, result);
  }

  /**
   * Whether the values of this batch's reads are to be handed over undecoded, with `succeedStored`, because there is so
   * much to decompress that it is done elsewhere. To be asked at the first compressed value.
   * @param rawBytes what that value's header claims
   */
  defersDecoding(rawBytes: number): boolean {
    return this.#owner.defersDecoding(this, rawBytes);
  }

  /** A read's value in its stored form, in memory that the pipeline may keep; it is decoded after `complete`. */
  succeedStored(leader: Request, stored: Buffer, keyChecksum: number): void {
    this.undecoded ??= shortLivedList();
    this.undecoded.push(new UndecodedRead(leader, stored, keyChecksum));
  }

  /** Fails a request alone; its neighbours in the batch are not touched. */
  fail(leader: Request, error: StateError): void {
    this.#owner.requestFailed(this, leader, error, false);
  }

  /**
   * Instead of `fail`, of a request that the store refused together with others, none of which it carried out, where the
   * reason may lie in one of them. It comes again with fewer of them, as `mostTogether` says, and in the end alone.
   */
  refuseWithOthers(leader: Request, error: StateError): void {
    this.#owner.requestFailed(this, leader, error, true);
  }

  /** Optional: the driver has encoded the batch and handed it to the operating system or to another thread. */
  stampWritten(): void {
    this.writtenAtUs = this.#owner.nowUs();
  }

  /** Optional: results have arrived, and what follows until they are handed over is decoding. */
  stampResults(): void {
    this.resultsAtUs = this.#owner.nowUs();
  }

  /** To be called once, when every request in every group has been settled. Frees the batch's place in flight. */
  complete(): void {
    this.#owner.batchCompleted(this);
  }

  /** Whether there is something else in it than gets and contains. */
  get isWriting(): boolean {
    return this.deletes.length + this.puts.length + this.expiringPuts.length + this.others.length > 0;
  }

  /** Whether a request in it changes this key, or may. Meant for failures: the answer is prepared at the first question. */
  writes(key: CanonicalKey): boolean {
    if (this.#writtenKeys === undefined) {
      this.#writtenKeys = new Set();
      for (const group of [this.deletes, this.puts, this.expiringPuts, this.others]) {
        for (const request of group) {
          if (request.kind !== Kind.transaction) this.#writtenKeys.add(request.key);
          else for (const step of request.detail as readonly TransactionStep[]) this.#writtenKeys.add(step.key);
        }
      }
    }
    return this.#writtenKeys.has(key);
  }

  /** Whether a request in it reads or changes this key. */
  touches(key: CanonicalKey): boolean {
    if (this.writes(key)) return true;
    this.#readKeys ??= new Set([...this.reads, ...this.probes].map((request) => request.key));
    return this.#readKeys.has(key);
  }

  /** Calls `visit` for every caller operation in the batch. */
  forEachRequest(visit: (request: Request) => void): void {
    this.forEachLeader((leader) => {
      let request: Request | undefined = leader;
      while (request !== undefined) {
        const next: Request | undefined = request.follower;
        visit(request);
        request = next;
      }
    });
  }

  /** Without these, which were not sent; whoever takes them out fails them. */
  takeOut(requests: ReadonlySet<Request>): void {
    this.takenOut = [...this.takenOut, ...requests];
    for (const group of [this.probes, this.reads, this.deletes, this.puts, this.expiringPuts, this.others]) {
      const rest = group.filter((request) => !requests.has(request));
      if (rest.length < group.length) group.splice(0, group.length, ...rest);
    }
    this.#writtenKeys = undefined;
    this.#readKeys = undefined;
  }

  /** The requests that the store must answer. */
  leaders(): Request[] {
    const leaders: Request[] = [];
    this.forEachLeader((leader) => leaders.push(leader));
    return leaders;
  }

  /** Calls `visit` for each request that the store must answer. */
  forEachLeader(visit: (leader: Request) => void): void {
    for (const group of [this.probes, this.reads, this.deletes, this.puts, this.expiringPuts, this.others]) {
      for (const leader of group) visit(leader);
    }
  }
}

import { ConnectionError, type StateError } from "../../core/errors.js";
import type { CanonicalKey } from "../../core/key.js";
import { keyHash } from "../../core/key-hash.js";
import { shortLivedList } from "../../core/short-lived-list.js";
import type { Batch } from "../batch.js";
import { locateError, takeOutLost } from "../located-error.js";
import { Kind, type PutDetail, type Request, type TransactionStep } from "../request.js";
import { MAX_SCANNED_VALUE_BYTES } from "../scanned-values.js";
import { ask, CONTAINS, type Question, TTL } from "./asked-keys.js";
import { DialogSurroundings } from "./dialog-sequence.js";
import { Dialogs } from "./dialogs.js";
import { BACKEND } from "./errors.js";
import { type BatchProgress, PutExchange, RemoveExchange, ReplicaExchange, ValuesExchange } from "./exchanges.js";
import type { ChosenReplica, JobSurroundings } from "./job-surroundings.js";
import type { KeyFilter } from "./key-filter.js";
import { ReadKeys } from "./read-keys.js";
import { valueAnswers } from "./value-answers.js";
import { StatementSlab } from "./wire/statement-slab.js";
import type { Exchange, WireSession } from "./wire/wire-session.js";

const NONE: readonly Request[] = [];

/** Is told how far a batch has come. */
export interface JobOwner {
  /** All that was asked of the primary is answered, and reads are elsewhere still. */
  leftPrimary(job: BatchJob): void;
  /** A replica has left reads unanswered: the job is to be sent once more, for those, or to be failed. */
  unanswered(job: BatchJob): void;
  ended(job: BatchJob): void;
}

/**
 * A batch on its way: one statement a group, each in a transaction of its own, and one transaction for the operations
 * that read before they write. The statements leave together and are answered in their order. Reads may go to a replica
 * beside it; those that it leaves unanswered are sent again, to the primary.
 */
export class BatchJob implements BatchProgress {
  readonly batch: Batch;
  readonly #surroundings: JobSurroundings;
  #others: readonly Request[];
  readonly #lifetimes: readonly Request[];
  readonly #owner: JobOwner;
  #session: WireSession | undefined;
  #open = 0;
  #stampedChunk = -1;
  #reading: ReadKeys;
  /** Reads that are with a replica, or that it has left unanswered. */
  #elsewhere: readonly Request[] = NONE;
  #isUnanswered = false;
  /** Everything but `#elsewhere` is answered. */
  #hasLeftPrimary = false;
  /** A request was given up before anything was sent. */
  isStale = false;
  /** Some of its reads are with a replica, which knows no order with the connection that it has. */
  readsElsewhere = false;

  constructor(batch: Batch, surroundings: JobSurroundings, owner: JobOwner) {
    this.batch = batch;
    this.#surroundings = surroundings;
    this.#owner = owner;
    const { others } = batch;
    const hasLifetimes = others.some((request) => request.kind === Kind.ttl);
    this.#lifetimes = hasLifetimes ? others.filter((request) => request.kind === Kind.ttl) : NONE;
    this.#others = hasLifetimes ? others.filter((request) => request.kind !== Kind.ttl) : others;
    this.#reading = new ReadKeys(batch.reads, batch.probes, this.#lifetimes);
  }

  /** Nothing else may run on its connection meanwhile. */
  get isDialog(): boolean {
    return !this.#hasLeftPrimary && this.#others.length > 0;
  }

  get hasWrites(): boolean {
    const { deletes, puts, expiringPuts } = this.batch;
    return !this.#hasLeftPrimary && deletes.length + puts.length + expiringPuts.length + this.#others.length > 0;
  }

  get hasReads(): boolean {
    return !this.#reading.isEmpty;
  }

  /** Whether it has been sent, in part at least. */
  get isSent(): boolean {
    return this.#session !== undefined;
  }

  forEachWrittenKey(visit: (key: CanonicalKey) => void): void {
    const { deletes, puts, expiringPuts } = this.batch;
    for (let i = 0; i < puts.length; i++) visit(puts[i]!.key);
    for (const request of deletes) visit(request.key);
    for (const request of expiringPuts) visit(request.key);
    for (const request of this.#others) {
      if (request.kind !== Kind.transaction) visit(request.key);
      else for (const step of request.detail as readonly TransactionStep[]) visit(step.key);
    }
  }

  forEachReadKey(visit: (key: CanonicalKey) => void): void {
    this.#reading.forEach(visit);
  }

  /** Adds what it reads, wherever. */
  addReadKeys(filter: KeyFilter): void {
    if (this.hasReads) filter.addAll(this.#reading.hashes.filter);
  }

  reads(key: CanonicalKey): boolean {
    return this.#reading.has(key);
  }

  /**
   * Whether the primary is being asked for something of this key, or may be.
   * @param hash of the key
   */
  readsAtPrimary(key: CanonicalKey, hash: number): boolean {
    if (!this.hasReads || !this.#reading.hashes.has(hash)) return false;
    return !this.readsElsewhere || !this.#elsewhere.some((request) => request.key === key);
  }

  /** Whether the primary is being asked there for something of a key that this one reads as well, or may be. */
  readsWith(other: BatchJob): boolean {
    if (!this.hasReads || !other.hasReads) return false;
    if (!this.#reading.hashes.shareOneWith(other.#reading.hashes)) return false;
    return !other.readsElsewhere || this.#reading.some((key) => other.readsAtPrimary(key, keyHash(key)));
  }

  send(session: WireSession): void {
    this.#session = session;
    const slab = session.takeSlab(() => this.#newSlab());
    const exchanges: Exchange[] = shortLivedList();
    try {
      if (this.#hasLeftPrimary) this.#read(slab, session, this.#elsewhere, exchanges);
      else this.#encode(slab, session, exchanges);
    } catch (error) {
      // The codec refused a value, or memory ran out: nothing of it has left, no statement was prepared.
      session.prepared?.clear();
      if (takeOutLost(this.batch, error, BACKEND)) {
        this.#others = this.#others.filter((request) => this.batch.others.includes(request));
        this.send(session);
        return;
      }
      this.#failAll(error);
      if (this.#open === 0) this.#proceed();
      return;
    }
    this.#open += exchanges.length;
    if (exchanges.length > 0) session.send(slab, exchanges);
    else if (this.#open === 0) this.#proceed();
  }

  /** Nothing of it was sent, or nothing but what is answered. */
  fail(error: unknown): void {
    this.#failAll(error);
    this.#end();
  }

  stamp(): void {
    const { chunks } = this.#session!;
    if (chunks === this.#stampedChunk && !this.readsElsewhere) return;
    this.#stampedChunk = chunks;
    this.batch.stampResults();
  }

  failed(request: Request, error: StateError): void {
    this.batch.fail(request, error);
  }

  exchangeEnded(): void {
    if (--this.#open === 0) this.#proceed();
  }

  /** Nothing is under way on the connection that it has. */
  #proceed(): void {
    if (!this.readsElsewhere) {
      this.#end();
    } else if (!this.#hasLeftPrimary) {
      this.#hasLeftPrimary = true;
      this.#reading = new ReadKeys(this.#elsewhere);
      this.#owner.leftPrimary(this);
      if (this.#isUnanswered) this.#askAgain();
    }
  }

  #replicaEnded(unanswered: readonly Request[]): void {
    this.#elsewhere = unanswered;
    this.#isUnanswered = unanswered.length > 0;
    if (!this.#isUnanswered) this.readsElsewhere = false;
    if (!this.#hasLeftPrimary) return;
    if (this.#isUnanswered) this.#askAgain();
    else this.#end();
  }

  /** Until now whoever writes one of these keys has waited; from now on its place keeps the order. */
  #askAgain(): void {
    this.#reading = new ReadKeys(this.#elsewhere);
    this.readsElsewhere = false;
    this.#owner.unanswered(this);
  }

  #failAll(error: unknown): void {
    const requests = this.#hasLeftPrimary ? this.#elsewhere : this.#withoutElsewhere(this.batch.leaders());
    for (const request of requests) {
      this.batch.fail(request, locateError(error, request, BACKEND, "not-applied"));
    }
  }

  #withoutElsewhere(requests: readonly Request[]): readonly Request[] {
    if (this.#elsewhere.length === 0) return requests;
    const elsewhere = new Set(this.#elsewhere);
    return requests.filter((request) => !elsewhere.has(request));
  }

  #end(): void {
    this.#owner.ended(this);
    this.batch.complete();
  }

  #encode(slab: StatementSlab, session: WireSession, exchanges: Exchange[]): void {
    const { batch } = this;
    this.#ask(CONTAINS, this.#kept(batch.probes), slab, session, exchanges);
    this.#read(slab, session, this.#readHere(this.#kept(batch.reads)), exchanges);
    this.#ask(TTL, this.#kept(this.#lifetimes), slab, session, exchanges);
    for (const run of this.#statements(batch.deletes)) this.#remove(slab, session, run, exchanges);
    if (batch.mostTogether < batch.puts.length + batch.expiringPuts.length) {
      for (const run of this.#statements([...batch.puts, ...batch.expiringPuts])) {
        this.#put(slab, session, NONE, run, exchanges);
      }
    } else {
      this.#put(slab, session, this.#kept(batch.puts), this.#kept(batch.expiringPuts), exchanges);
    }
    if (this.#others.length === 0) return;
    const surroundings = new DialogSurroundings(
      session,
      this.#surroundings.statements(),
      this.#surroundings,
      () => this.#newSlab(),
      (requests) => this.#wanted(requests),
    );
    const dialogs = new Dialogs(this, this.#others, surroundings);
    const beginning = dialogs.begin(slab);
    if (beginning !== undefined) exchanges.push(beginning);
  }

  /** What is not read from a replica: what it has for sure was sent there, now or before a value was found to be lost. */
  #readHere(reads: readonly Request[]): readonly Request[] {
    return this.#elsewhere.length > 0 ? this.#withoutElsewhere(reads) : (this.#readReplica(reads) ?? reads);
  }

  /** Sends to a replica what it has for sure, and gives back the rest; undefined: nothing was sent. */
  #readReplica(reads: readonly Request[]): readonly Request[] | undefined {
    const { replicas, isBeingWritten, isBeingRead } = this.#surroundings;
    const replica = reads.length === 0 ? undefined : replicas?.choose();
    if (replica === undefined) return undefined;
    const { session } = replica;
    const rest: Request[] = shortLivedList();
    const there: Request[] = shortLivedList();
    for (const request of reads) {
      const { key } = request;
      (isBeingWritten(key) || isBeingRead(key, this) || replica.mayLack(key) ? rest : there).push(request);
    }
    if (there.length === 0) return undefined;
    const slab = session.takeSlab(() => this.#newSlab());
    const exchanges: Exchange[] = shortLivedList();
    this.#read(slab, session, there, exchanges, replica);
    this.#elsewhere = there;
    this.readsElsewhere = true;
    session.send(slab, exchanges);
    return rest;
  }

  #read(
    slab: StatementSlab,
    session: WireSession,
    reads: readonly Request[],
    exchanges: Exchange[],
    replica?: ChosenReplica,
  ): void {
    if (reads.length === 0) return;
    const { maxValueBytes, maxStoredBytes } = this.#surroundings;
    const checksums = new Uint32Array(reads.length);
    const { read, readCopy } = this.#surroundings.statements();
    if (replica === undefined) slab.begin(read, 2, session.prepared);
    else slab.begin(readCopy, 4, session.prepared);
    slab.keys(reads, checksums);
    slab.int4(maxStoredBytes);
    if (replica !== undefined) {
      slab.float8(replica.primaryAhead.leastMs);
      slab.float8(replica.primaryAhead.mostMs);
    }
    slab.execute();
    slab.sync();
    const scanned = maxValueBytes >= MAX_SCANNED_VALUE_BYTES ? checksums : undefined;
    if (replica === undefined) {
      const answer = valueAnswers(this.batch, checksums, this.#surroundings);
      exchanges.push(new ValuesExchange(this, reads, scanned, answer));
      return;
    }
    const answered = replica.asked();
    const uncertain: Request[] = shortLivedList();
    const answer = valueAnswers(this.batch, checksums, this.#surroundings, (request) => uncertain.push(request));
    exchanges.push(
      new ReplicaExchange(this, reads, scanned, answer, uncertain, (unanswered) => {
        answered();
        this.#replicaEnded(unanswered);
      }),
    );
  }

  #ask(
    question: Question,
    requests: readonly Request[],
    slab: StatementSlab,
    session: WireSession,
    exchanges: Exchange[],
  ): void {
    if (requests.length === 0) return;
    exchanges.push(ask(question, requests, this, slab, session, this.#surroundings.statements()));
  }

  #remove(slab: StatementSlab, session: WireSession, deletes: readonly Request[], exchanges: Exchange[]): void {
    if (deletes.length === 0) return;
    slab.begin(this.#surroundings.statements().remove, 1, session.prepared);
    slab.keys(deletes);
    slab.execute();
    slab.sync();
    exchanges.push(new RemoveExchange(this, deletes));
  }

  #put(
    slab: StatementSlab,
    session: WireSession,
    plain: readonly Request[],
    expiring: readonly Request[],
    exchanges: Exchange[],
  ): void {
    const puts = expiring.length === 0 ? plain : plain.length === 0 ? expiring : [...plain, ...expiring];
    const count = puts.length;
    if (count === 0) return;
    const statements = this.#surroundings.statements();
    const isPlain = expiring.length === 0 && puts.every((request) => request.detail === undefined);
    slab.begin(isPlain ? statements.put : statements.putFully, isPlain ? 2 : 4, session.prepared);
    slab.keys(puts);
    slab.entryValues(puts);
    if (!isPlain) {
      slab.integers(count, (index) => puts[index]!.ttlMs);
      slab.texts(puts.map((request) => (request.detail as PutDetail | undefined)?.metadata ?? null));
    }
    slab.execute();
    slab.sync();
    exchanges.push(new PutExchange(this, puts));
  }

  /** What is to share a statement each. */
  #statements(requests: readonly Request[]): readonly (readonly Request[])[] {
    const kept = this.#kept(requests);
    const most = Math.min(this.batch.mostTogether, Math.max(kept.length, 1));
    return Array.from({ length: Math.ceil(kept.length / most) }, (_, run) => kept.slice(run * most, (run + 1) * most));
  }

  /** Without those that all their callers have given up. */
  #kept(requests: readonly Request[]): readonly Request[] {
    return this.isStale ? this.#wanted(requests) : requests;
  }

  #wanted(requests: readonly Request[]): readonly Request[] {
    return requests.filter((request) => {
      if (isWanted(request)) return true;
      const message = "it was given up before it was sent";
      const details = { backend: BACKEND, reason: "ERR_ABANDONED", retryable: false };
      this.batch.fail(request, locateError(new ConnectionError(message, details), request, BACKEND));
      return false;
    });
  }

  #newSlab(): StatementSlab {
    const { codec, keyPrefix, maxSentBytes } = this.#surroundings;
    return new StatementSlab(codec, keyPrefix, maxSentBytes);
  }
}

function isWanted(leader: Request): boolean {
  for (let request: Request | undefined = leader; request !== undefined; request = request.follower) {
    if (!request.settled) return true;
  }
  return false;
}

import type { Clock } from "../../core/clock.js";
import { ClosedError, type StateError, TimeoutError } from "../../core/errors.js";
import type { CanonicalKey } from "../../core/key.js";
import { shortLivedList } from "../../core/short-lived-list.js";
import type { Batch } from "../batch.js";
import { BatchWork } from "./batch-work.js";
import { explainFailedCommit } from "./errors.js";
import type { LmdbStore } from "./lmdb-store.js";
import { PendingKeys } from "./pending-keys.js";
import { Room, type RoomLimits, removalsThatFit } from "./room.js";

/** What shares a commit at most: bounds the memory of a transaction and what a caller may have to wait behind. */
const MAX_GROUP_OPERATIONS = 32_768;
const MAX_GROUP_BYTES = 64 << 20;

/** Results are handed out for so long in one turn of the event loop. */
const MAX_TURN_MS = 2;

/** A timer that is later than this says that this thread was busy, and what the library has done may wait to be heard. */
const PUNCTUAL_MS = 20;

const UNKNOWN = { outcome: "unknown" } as const;
const NOTHING_PENDING = (): boolean => false;

interface ExclusiveWork {
  readonly run: (mostRemovals: number) => void;
  readonly resolve: () => void;
  readonly reject: (error: StateError) => void;
}

/** What the transaction under way has to answer for. A class, as `shortLivedList` says of literals. */
class UnderWay {
  /** None: it was given up, and writes nothing that it has not begun. */
  works: readonly (BatchWork | ExclusiveWork)[];
  /** Once it is in the library's hands the store may have it, whatever becomes of the transaction. */
  isBegun = false;

  constructor(works: readonly (BatchWork | ExclusiveWork)[]) {
    this.works = works;
  }
}

/** A class, as `UnderWay` is. */
class Committed {
  readonly work: BatchWork;
  readonly failure: StateError | undefined;

  constructor(work: BatchWork, failure: StateError | undefined) {
    this.work = work;
    this.failure = failure;
  }
}

type State = "idle" | "scheduled" | "held" | "committing" | "closed";

/**
 * Puts batches, in their order, into write transactions: one at a time, and all that has come together meanwhile in the
 * next (a group commit). A transaction's requests are answered when it is synced to the disk, so an acknowledged
 * write survives the process and the power.
 *
 *   execute ── reads of keys without pending writes ──────────────────────────► answered at once
 *      └─ the rest ─► queue ─► group ─┬─ blind puts only: made on the library's thread ──┬─► commit + sync ─► answered
 *                                     └─ else: this thread, inside the transaction ──────┘
 *
 * While one transaction is synced the next gathers, and it begins before the results of the first are handed out, a few
 * milliseconds' worth a turn: so the disk and this thread work at the same time.
 *
 * Whatever reads before it writes does so inside the transaction, of which there is one at a time in all processes.
 * A read behind a pending write of its key waits until that is committed; answering it earlier could show a value that
 * never comes to be.
 */
export class CommitQueue {
  readonly #store: LmdbStore;
  readonly #clock: Clock;
  readonly #limits: RoomLimits;
  readonly #room: Room;
  readonly #limitMs: number;
  readonly #pending = new PendingKeys();
  readonly #isPending = (key: CanonicalKey): boolean => this.#pending.has(key);
  #queue: (BatchWork | ExclusiveWork)[] = [];
  #state: State = "idle";
  #commit: Promise<void> = Promise.resolve();
  /** What is committed and has not been handed out, in its order. */
  readonly #committed: Committed[] = [];
  #handingOut = false;
  #underWay: UnderWay | undefined;
  #watch: NodeJS.Timeout | undefined;
  /** Told when what is under way was given up. */
  #onStuck: () => void = () => {};
  /** So many batches with writes were given up behind the transaction under way. */
  #givenUp = 0;
  /** So many batches are to be committed each by itself, because together they found no room. */
  #apart = 0;
  #holds = 0;

  /** @param limitMs how long a transaction may take before what waits for it is given up */
  constructor(store: LmdbStore, clock: Clock, limits: RoomLimits, limitMs: number) {
    this.#store = store;
    this.#limitMs = limitMs;
    this.#clock = clock;
    this.#limits = limits;
    this.#room = new Room(limits, store);
  }

  execute(batch: Batch): void {
    const work = new BatchWork(batch);
    if (this.#state === "closed") {
      work.fail(closedError());
      return;
    }
    this.#store.nowMs = this.#clock.wallMs();
    work.answerReads(this.#store, this.#isPending);
    const hasWrites = work.hasWrites;
    if (!hasWrites && !work.hasDeferred) {
      batch.complete();
      return;
    }
    if (hasWrites) this.#pending.add(work);
    this.#enqueue(work);
  }

  /**
   * Runs `work` inside a write transaction of its own, after all batches handed over before, with the number of records
   * that it may remove, for all that is free on the disk. What it throws after its
   * first write is committed with it. Rejects with errors that know no place.
   */
  runExclusive(work: (mostRemovals: number) => void): Promise<void> {
    if (this.#state === "closed") return Promise.reject(closedError());
    return new Promise((resolve, reject) => this.#enqueue({ run: work, resolve, reject }));
  }

  /** Resolves when no transaction is under way; none begins until `release`, which is to follow each call. */
  async hold(): Promise<void> {
    this.#holds++;
    await this.#commit;
  }

  release(): void {
    this.#holds--;
    if (this.#holds === 0 && this.#state === "held") this.#start();
  }

  /**
   * Fails what has not begun and waits for the commit under way, for as long as any may take. Resolves to whether no
   * transaction is under way any more.
   */
  async close(): Promise<boolean> {
    const waiting = this.#queue;
    this.#queue = [];
    this.#state = "closed";
    for (const work of waiting) end(work, closedError());
    const isOver = await new Promise<boolean>((resolve) => {
      this.#onStuck = () => resolve(false);
      const over = (): void => resolve(true);
      this.#commit.then(over, over);
    });
    while (this.#committed.length > 0) this.#handOutOne();
    return isOver;
  }

  /** Resolves when the transaction that `close` did not wait for has come to its end. */
  get ended(): Promise<void> {
    return this.#commit;
  }

  #enqueue(work: BatchWork | ExclusiveWork): void {
    this.#queue.push(work);
    if (this.#state === "idle") this.#schedule();
  }

  #schedule(): void {
    this.#state = "scheduled";
    // At the end of the turn, so that all batches of the turn share the commit.
    setImmediate(() => {
      if (this.#state === "scheduled") this.#start();
    });
  }

  #start(): void {
    if (this.#holds > 0) {
      this.#state = "held";
      return;
    }
    this.#store.nowMs = this.#clock.wallMs();
    const first = this.#queue[0];
    if (first !== undefined && !(first instanceof BatchWork)) {
      this.#queue.shift();
      this.#state = "committing";
      this.#watchCommit();
      this.#commit = this.#runExclusive(first);
      return;
    }
    const group = this.#takeGroup();
    if (group.length === 0) {
      this.#continue();
      return;
    }
    this.#state = "committing";
    this.#watchCommit();
    this.#commit = this.#commitGroup(group);
  }

  /** The next batches that can share a commit. What they read is answered here if no write of the group precedes it. */
  #takeGroup(): BatchWork[] {
    const group: BatchWork[] = shortLivedList();
    let written: Set<CanonicalKey> | undefined;
    const mostOperations = this.#apart > 0 ? 1 : MAX_GROUP_OPERATIONS;
    let operations = 0;
    let bytes = 0;
    while (operations < mostOperations && bytes < MAX_GROUP_BYTES) {
      const work = this.#queue[0];
      if (!(work instanceof BatchWork)) break;
      this.#queue.shift();
      if (work.hasDeferred) {
        written ??= keysWrittenBy(group);
        const before = written;
        work.answerDeferred(this.#store, before.size === 0 ? NOTHING_PENDING : (key) => before.has(key));
        if (!work.hasDeferred && !work.hasWrites) {
          work.batch.complete();
          continue;
        }
      }
      if (written !== undefined) work.forEachWrittenKey((key) => written?.add(key));
      group.push(work);
      operations += work.batch.size;
      bytes += work.batch.bytes;
    }
    return group;
  }

  async #commitGroup(group: readonly BatchWork[]): Promise<void> {
    const { data } = this.#store;
    const underWay = new UnderWay(group);
    this.#underWay = underWay;
    const runAll = (): void => {
      underWay.isBegun = true;
      for (const work of group) work.run(this.#store);
    };
    let failure: StateError | undefined;
    try {
      const hasRoom = this.#room.suffices(group.map((work) => work.batch));
      if (!hasRoom && group.length > 1) {
        this.#queue.unshift(...group);
        this.#apart = group.length;
        clearTimeout(this.#watch);
        await undefined;
        this.#continue();
        return;
      }
      if (!hasRoom) group[0]!.refuseBeyond(this.#room);
      if (group.every((work) => work.isBlind)) {
        await data.batch(runAll);
      } else {
        await data.transaction(() => {
          if (underWay.works.length === 0) return;
          this.#store.nowMs = this.#clock.wallMs();
          runAll();
        });
      }
    } catch (error) {
      failure = await explainFailedCommit(error);
    }
    clearTimeout(this.#watch);
    // Reads from here on must see what was committed, not the snapshot of this turn.
    data.resetReadTxn();
    if (this.#apart > 0) this.#apart--;
    this.#pending.removeFirst(group.filter((work) => work.hasWrites).length + this.#givenUp);
    this.#givenUp = 0;
    if (underWay.works.length > 0) for (const work of group) this.#committed.push(new Committed(work, failure));
    // Reads that waited for writes which failed ask the store, which must not know anything later.
    if (failure !== undefined) while (this.#committed.length > 0) this.#handOutOne();
    // Before anything is handed out: the disk has work meanwhile.
    this.#continue();
    if (!this.#handingOut) this.#handOut();
  }

  readonly #handOut = (): void => {
    const startedMs = performance.now();
    while (this.#committed.length > 0 && performance.now() - startedMs < MAX_TURN_MS) this.#handOutOne();
    this.#handingOut = this.#committed.length > 0;
    if (this.#handingOut) setImmediate(this.#handOut);
  };

  #handOutOne(): void {
    const { work, failure } = this.#committed.shift()!;
    if (failure === undefined) work.settle();
    else work.fail(failure, this.#store);
  }

  async #runExclusive(work: ExclusiveWork): Promise<void> {
    const underWay = new UnderWay([work]);
    this.#underWay = underWay;
    let failure: StateError | undefined;
    try {
      const mostRemovals = removalsThatFit(this.#limits.freeBytes());
      await this.#store.data.transaction(() => {
        if (underWay.works.length === 0) return;
        underWay.isBegun = true;
        work.run(mostRemovals);
      });
    } catch (error) {
      failure = await explainFailedCommit(error);
    }
    clearTimeout(this.#watch);
    this.#pending.removeFirst(this.#givenUp);
    this.#givenUp = 0;
    this.#store.data.resetReadTxn();
    if (failure === undefined) work.resolve();
    else work.reject(failure);
    this.#continue();
  }

  /**
   * Another process that stands still inside its transaction keeps the library from ever coming to ours. What waits for
   * that is given up after a while, so that callers, and whoever waits until all has settled, need not wait with it.
   */
  #watchCommit(): void {
    clearTimeout(this.#watch);
    const dueMs = performance.now() + this.#limitMs;
    this.#watch = setTimeout(() => {
      if (Math.abs(performance.now() - dueMs) > PUNCTUAL_MS) {
        this.#watchCommit();
        return;
      }
      const message = `the transaction has not ended after ${this.#limitMs} ms; another process may keep the store's lock`;
      const details = { reason: "ERR_TIMEOUT", retryable: true };
      const notBegun = new TimeoutError(message, details);
      this.#endUnderWay(notBegun, new TimeoutError(message, { ...details, ...UNKNOWN }));
      for (const work of this.#queue.splice(0)) {
        if (work instanceof BatchWork && work.hasWrites) this.#givenUp++;
        end(work, notBegun);
      }
      this.#onStuck();
      // For what comes meanwhile.
      if (this.#state !== "closed") this.#watchCommit();
    }, this.#limitMs);
  }

  #endUnderWay(notBegun: StateError, begun: StateError): void {
    if (this.#underWay === undefined) return;
    const { works, isBegun } = this.#underWay;
    this.#underWay.works = [];
    for (const work of works) end(work, isBegun ? begun : notBegun);
  }

  #continue(): void {
    if (this.#state === "closed") return;
    if (this.#queue.length > 0) this.#start();
    else this.#state = "idle";
  }
}

function keysWrittenBy(group: readonly BatchWork[]): Set<CanonicalKey> {
  const keys = new Set<CanonicalKey>();
  for (const work of group) work.forEachWrittenKey((key) => keys.add(key));
  return keys;
}

function end(work: BatchWork | ExclusiveWork, error: StateError): void {
  if (work instanceof BatchWork) work.fail(error);
  else work.reject(error);
}

function closedError(): ClosedError {
  return new ClosedError("the store is not open");
}

import type { Clock } from "../../core/clock.js";
import { ClosedError, type StateError } from "../../core/errors.js";
import type { CanonicalKey } from "../../core/key.js";
import type { Batch } from "../batch.js";
import { BatchWork } from "./batch-work.js";
import { explainFailedCommit } from "./errors.js";
import type { LmdbStore } from "./lmdb-store.js";
import { PendingKeys } from "./pending-keys.js";
import { requireQuota, requireRoom, requireRoomForMaintenance } from "./room.js";

/** Operations that share a commit at most: what a caller may have to wait behind. */
const MAX_GROUP_OPERATIONS = 4096;

const NOTHING_PENDING = (): boolean => false;

interface ExclusiveWork {
  readonly run: () => void;
  readonly resolve: () => void;
  readonly reject: (error: StateError) => void;
}

type State = "idle" | "scheduled" | "committing" | "closed";

/**
 * Puts batches, in their order, into write transactions: one at a time, and all that has come together meanwhile in the
 * next (a group commit). A transaction's requests are answered when it is synced to the disk, so an acknowledged
 * write survives the process and the power.
 *
 *   execute ── reads of keys without pending writes ──────────────────────────► answered at once
 *      └─ the rest ─► queue ─► group ─┬─ blind puts only: made on the library's thread ──┬─► commit + sync ─► answered
 *                                     └─ else: this thread, inside the transaction ──────┘
 *
 * Whatever reads before it writes does so inside the transaction, of which there is one at a time in all processes.
 * A read behind a pending write of its key waits until that is committed; answering it earlier could show a value that
 * never comes to be.
 */
export class CommitQueue {
  readonly #store: LmdbStore;
  readonly #clock: Clock;
  readonly #freeBytes: () => number;
  readonly #maxBytes: number;
  readonly #pending = new PendingKeys();
  readonly #isPending = (key: CanonicalKey): boolean => this.#pending.has(key);
  #queue: (BatchWork | ExclusiveWork)[] = [];
  #state: State = "idle";
  #commit: Promise<void> = Promise.resolve();

  constructor(store: LmdbStore, clock: Clock, limits: { freeBytes: () => number; maxBytes: number }) {
    this.#store = store;
    this.#clock = clock;
    this.#freeBytes = limits.freeBytes;
    this.#maxBytes = limits.maxBytes;
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
    if (hasWrites) work.forEachWrittenKey((key) => this.#pending.add(key));
    this.#enqueue(work);
  }

  /**
   * Runs `work` inside a write transaction of its own, after all batches handed over before. What it throws after its
   * first write is committed with it. Rejects with errors that know no place.
   */
  runExclusive(work: () => void): Promise<void> {
    if (this.#state === "closed") return Promise.reject(closedError());
    return new Promise((resolve, reject) => this.#enqueue({ run: work, resolve, reject }));
  }

  /** Fails what has not begun and waits for the commit under way. */
  async close(): Promise<void> {
    const waiting = this.#queue;
    this.#queue = [];
    this.#state = "closed";
    for (const work of waiting) {
      if (work instanceof BatchWork) work.fail(closedError());
      else work.reject(closedError());
    }
    await this.#commit;
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
    this.#store.nowMs = this.#clock.wallMs();
    const first = this.#queue[0];
    if (first !== undefined && !(first instanceof BatchWork)) {
      this.#queue.shift();
      this.#state = "committing";
      this.#commit = this.#runExclusive(first);
      return;
    }
    const group = this.#takeGroup();
    if (group.length === 0) {
      this.#continue();
      return;
    }
    this.#state = "committing";
    this.#commit = this.#commitGroup(group);
  }

  /** The next batches that can share a commit. What they read is answered here if no write of the group precedes it. */
  #takeGroup(): BatchWork[] {
    const group: BatchWork[] = [];
    let written: Set<CanonicalKey> | undefined;
    let operations = 0;
    while (operations < MAX_GROUP_OPERATIONS) {
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
    }
    return group;
  }

  async #commitGroup(group: readonly BatchWork[]): Promise<void> {
    const { data } = this.#store;
    const runAll = (): void => {
      for (const work of group) work.run(this.#store);
    };
    let failure: StateError | undefined;
    try {
      const batches = group.map((work) => work.batch);
      requireRoom(this.#freeBytes(), () => this.#store.usedBytes(), batches);
      if (this.#maxBytes !== Number.POSITIVE_INFINITY) {
        requireQuota(this.#maxBytes, this.#store.usedBytes(), batches);
      }
      if (group.every((work) => work.isBlind)) {
        await data.batch(runAll);
      } else {
        await data.transaction(() => {
          this.#store.nowMs = this.#clock.wallMs();
          runAll();
        });
      }
    } catch (error) {
      failure = await explainFailedCommit(error);
    }
    // Reads from here on must see what was committed, not the snapshot of this turn.
    data.resetReadTxn();
    for (const work of group) work.forEachWrittenKey((key) => this.#pending.remove(key));
    for (const work of group) {
      if (failure === undefined) work.settle();
      else work.fail(failure, this.#store);
    }
    this.#continue();
  }

  async #runExclusive(work: ExclusiveWork): Promise<void> {
    let failure: StateError | undefined;
    try {
      requireRoomForMaintenance(this.#freeBytes());
      await this.#store.data.transaction(work.run);
    } catch (error) {
      failure = await explainFailedCommit(error);
    }
    this.#store.data.resetReadTxn();
    if (failure === undefined) work.resolve();
    else work.reject(failure);
    this.#continue();
  }

  #continue(): void {
    if (this.#state === "closed") return;
    if (this.#queue.length > 0) this.#schedule();
    else this.#state = "idle";
  }
}

function keysWrittenBy(group: readonly BatchWork[]): Set<CanonicalKey> {
  const keys = new Set<CanonicalKey>();
  for (const work of group) work.forEachWrittenKey((key) => keys.add(key));
  return keys;
}

function closedError(): ClosedError {
  return new ClosedError("the store is not open");
}

import { Batch, type BatchOwner } from "../backends/batch.js";
import { Kind, NO_ANSWER, type Request, type TransactionStep } from "../backends/request.js";
import { FramedValue } from "../codec/value-codec.js";
import type { CanonicalKey } from "../core/key.js";
import { hashOfKey } from "../core/key-hash.js";
import { KeyTable } from "./key-table.js";

/**
 * Fills one batch after the other from requests offered in program order. Per key it keeps the request that decides
 * what a later request of the same batch must look like:
 *
 *   read, then read         one fetch serves both
 *   write, then read        the read is answered from the write once that is acknowledged
 *   write, then write       the earlier write is superseded and shares the later one's fate
 *   delete, then put        both are sent: only the store knows what the delete's answer is
 *   anything else twice     does not fit: the batch ends before it
 *
 * Every result equals that of some one-at-a-time execution in the order of the calls.
 */
export class BatchPlanner {
  #batch: Batch | undefined;
  readonly #owner: BatchOwner;
  readonly #latest: KeyTable;

  constructor(owner: BatchOwner, expectedKeys: number) {
    this.#owner = owner;
    this.#latest = new KeyTable(expectedKeys);
  }

  /** A new batch, into which goes what is offered until `end`. */
  begin(): Batch {
    const batch = new Batch(this.#owner);
    this.#batch = batch;
    return batch;
  }

  /** Lets go of what was offered. */
  end(): void {
    this.#latest.clear();
    this.#batch = undefined;
  }

  /**
   * False: the request conflicts with one already in the batch and must begin the next one.
   * @param hash of its key, as `hashOfKey` makes it
   */
  offer(request: Request, hash: number): boolean {
    if (request.kind === Kind.transaction) return this.#offerTransaction(request);
    const slot = this.#latest.slotOf(request.key, hash);
    const latest = this.#latest.at(slot);
    if (latest === undefined) {
      switch (request.kind) {
        case Kind.get:
          this.#batch!.reads.push(request);
          break;
        case Kind.put:
          this.#pushPut(request);
          break;
        case Kind.delete:
          this.#batch!.deletes.push(request);
          break;
        case Kind.contains:
          this.#batch!.probes.push(request);
          break;
        default:
          this.#batch!.others.push(request);
      }
      this.#latest.put(slot, request.key, request);
      return true;
    }
    switch (request.kind) {
      case Kind.get:
      case Kind.contains:
        return this.#offerRead(request, latest, slot);
      case Kind.put:
        return this.#offerPut(request, latest, slot);
      case Kind.delete:
        return this.#offerDelete(request, latest, slot);
      case Kind.increment:
        if (latest.kind !== Kind.increment) return false;
        this.#batch!.others.push(request);
        return true;
      default:
        return false;
    }
  }

  #offerRead(request: Request, latest: Request, slot: number): boolean {
    const wantsValue = request.kind === Kind.get;
    switch (latest.kind) {
      case Kind.get:
        follow(latest, request);
        return true;
      case Kind.contains:
        if (wantsValue) {
          this.#batch!.reads.push(request);
          this.#latest.put(slot, request.key, request);
        } else {
          follow(latest, request);
        }
        return true;
      case Kind.put:
        request.answer = wantsValue ? latest.value : true;
        follow(latest, request);
        return true;
      case Kind.delete:
        request.answer = wantsValue ? null : false;
        follow(latest, request);
        return true;
      default:
        return false;
    }
  }

  #offerPut(request: Request, latest: Request, slot: number): boolean {
    switch (latest.kind) {
      case Kind.put:
        this.#removePut(latest);
        latest.answer = undefined;
        this.#pushPut(request);
        adopt(request, latest);
        request.deleteBefore = latest.deleteBefore;
        break;
      case Kind.delete:
        this.#pushPut(request);
        request.deleteBefore = latest;
        latest.isOverwritten = true;
        break;
      case Kind.get:
      case Kind.contains:
        this.#pushPut(request);
        break;
      default:
        return false;
    }
    this.#latest.put(slot, request.key, request);
    return true;
  }

  #offerDelete(request: Request, latest: Request, slot: number): boolean {
    switch (latest.kind) {
      case Kind.put: {
        this.#removePut(latest);
        latest.answer = undefined;
        request.answer = true;
        const earlierDelete = latest.deleteBefore;
        if (earlierDelete !== undefined) {
          // The delete that is sent anyway leaves the key absent, as this one would.
          earlierDelete.isOverwritten = false;
          adopt(earlierDelete, latest);
          follow(earlierDelete, request);
          this.#latest.put(slot, request.key, earlierDelete);
        } else {
          this.#batch!.deletes.push(request);
          adopt(request, latest);
          this.#latest.put(slot, request.key, request);
        }
        return true;
      }
      case Kind.delete:
        request.answer = false;
        follow(latest, request);
        return true;
      case Kind.get:
      case Kind.contains:
        this.#batch!.deletes.push(request);
        this.#latest.put(slot, request.key, request);
        return true;
      default:
        return false;
    }
  }

  #offerTransaction(request: Request): boolean {
    const steps = request.detail as readonly TransactionStep[];
    if (steps.some(({ key }) => this.#latest.at(this.#slotOf(key)) !== undefined)) return false;
    for (const { key } of steps) this.#latest.put(this.#slotOf(key), key, request);
    this.#batch!.others.push(request);
    return true;
  }

  #slotOf(key: CanonicalKey): number {
    return this.#latest.slotOf(key, hashOfKey(key, key.length));
  }

  #pushPut(request: Request): void {
    const group = request.ttlMs > 0 ? this.#batch!.expiringPuts : this.#batch!.puts;
    request.mark = group.length;
    group.push(request);
  }

  #removePut(request: Request): void {
    const group = request.ttlMs > 0 ? this.#batch!.expiringPuts : this.#batch!.puts;
    const last = group.pop()!;
    if (last === request) return;
    group[request.mark] = last;
    last.mark = request.mark;
  }
}

/** Has a request share the answer of a read that is with the store already, and its fate if that is sent again. */
export function join(leader: Request, request: Request): void {
  request.order = leader.order;
  request.batchSequence = leader.batchSequence;
  follow(leader, request);
}

/** Appends a request to those that are settled when the leader is. */
function follow(leader: Request, request: Request): void {
  if (leader.follower === undefined) leader.follower = request;
  else leader.lastFollower!.follower = request;
  leader.lastFollower = request;
}

/** Makes a former leader and all that follow it follow a new one, before anything that follows it later. */
function adopt(leader: Request, former: Request): void {
  const last = former.lastFollower ?? former;
  former.lastFollower = undefined;
  if (leader.follower === undefined) leader.follower = former;
  else leader.lastFollower!.follower = former;
  leader.lastFollower = last;
}

/** Undoes the planning marks of a request that is to be planned again. */
export function forgetPlan(request: Request): void {
  request.follower = undefined;
  request.lastFollower = undefined;
  request.deleteBefore = undefined;
  request.isOverwritten = false;
  if (request.value instanceof FramedValue) request.value = request.value.original;
  request.answer = NO_ANSWER;
}

import type { Batch, BatchChoice, BatchOwner } from "../backends/batch.js";
import { detailUnits, Kind, type Request, type TransactionStep } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";
import { evenHash, hashOfKey } from "../core/key-hash.js";
import { Ring } from "../core/ring.js";
import { shortLivedList } from "../core/short-lived-list.js";
import { BatchPlanner, forgetPlan } from "./batch-planner.js";
import { HeldKeys } from "./held-keys.js";
import { OrderMarks } from "./order-marks.js";

export interface QueueLimits {
  readonly maxSize: number;
  readonly maxBytes: number;
  /** As `Capabilities` has it. */
  readonly batchSize?: number | undefined;
}

/** With so many batches waiting there is work for everybody, and larger ones cost less. */
const WAITING_BATCHES = 2;

export type BatchCut = "size" | "bytes" | "hazard" | "turn";

/** After something that could not be sent again: where calls of one key come in a stream, each would overtake the last. */
const BATCHES_APART = 256;

/**
 * Requests that have not been handed to the driver, in program order per key, and the making of batches from them.
 * New ones come in at the end; those that return (to be sent again, or held back until now) go before all others.
 */
export class RequestQueue {
  readonly marks = new OrderMarks();
  readonly #limits: QueueLimits;
  readonly #onCut: (cut: BatchCut) => void;
  readonly #choose: ((first: Request) => BatchChoice | undefined) | undefined;
  readonly #ring = new Ring<Request>(4096);
  readonly #held = new HeldKeys();
  readonly #planner: BatchPlanner;
  #returning: Request[] = [];
  /** Of those that wait, which may share a command with so few others only. */
  readonly #apart = new Map<Request, number>();
  /** So many batches are to be apart, whatever is in them. */
  #batchesApart = 0;
  /** Requests that have left for good: the position of order marks. */
  #taken = 0;
  /** Of those in the ring, at most so many have been answered there. */
  #answered = 0;
  #ordinal = 0;

  /** @param choose as `Driver.nextBatch` */
  constructor(
    owner: BatchOwner,
    limits: QueueLimits,
    onCut: (cut: BatchCut) => void,
    choose?: (first: Request) => BatchChoice | undefined,
  ) {
    this.#limits = limits;
    this.#onCut = onCut;
    this.#choose = choose;
    this.#planner = new BatchPlanner(owner, limits.maxSize);
  }

  /** Requests that wait and are not held by another. */
  get size(): number {
    return this.#ring.size + this.#returning.length;
  }

  push(request: Request): void {
    this.#ring.push(request);
  }

  /** As `putBack`, of requests of which at most so many may share a command. */
  putBackApart(requests: readonly Request[], mostTogether: number): void {
    for (const request of requests) this.#apart.set(request, mostTogether);
    this.putBack(requests);
  }

  /** What is planned next is to be apart, for a while. */
  haveNextApart(): void {
    this.#batchesApart = BATCHES_APART;
  }

  /** Has these leave before everything else, and flushes that were passed wait for them as well. */
  putBack(requests: readonly Request[]): void {
    this.marks.waitAgain(this.#taken);
    for (const request of requests) {
      if (request.isReturning) continue;
      request.isReturning = true;
      request.batchSequence = 0;
      this.#returning.push(request);
    }
  }

  /** Something to happen when everything pushed so far has left. */
  mark(alone: boolean, run: () => void): void {
    // Those that return were counted when they were taken first; taking them back subtracts them again.
    this.marks.add(this.#taken + this.#ring.size, alone, run);
  }

  /** Passes the marks that are reached; held requests were called before them and have not left. */
  passMarks(batchesInFlight: number, lastSequence: number): void {
    this.#takeBack();
    this.#dropFirstAnswered();
    if (this.marks.waiting && this.#held.isEmpty) this.marks.pass(this.#taken, batchesInFlight, lastSequence);
  }

  /**
   * The next batch; undefined: nothing may leave now.
   * @param sequence its place in the order of batches, from 1
   * @param withoutWrites only reads are to leave, if what waits can be parted: it is looked at one by one
   * @param readBytes what the answer to a get is taken to bring
   */
  plan(sequence: number, withoutWrites = false, readBytes = 0): Batch | undefined {
    this.#takeBack();
    const isParted = withoutWrites && !this.marks.waiting;
    return isParted ? this.#planReads(sequence, readBytes) : this.#planFirst(sequence, readBytes);
  }

  /** Plans reads as if nothing else waited, and puts back what did, in its order. */
  #planReads(sequence: number, readBytes: number): Batch | undefined {
    const ring = this.#ring;
    const waiting: Request[] = [];
    while (ring.size > 0) waiting.push(ring.shift()!);
    const aside = waiting.filter((request, index) => !isFreeRead(request, waiting, index));
    for (const request of waiting) if (!aside.includes(request)) ring.push(request);
    const batch = this.#planFirst(sequence, readBytes);
    const left = new Set(aside);
    while (ring.size > 0) left.add(ring.shift()!);
    ring.unshiftAll(waiting.filter((request) => left.has(request)));
    return batch;
  }

  #planFirst(sequence: number, readBytes: number): Batch | undefined {
    const ring = this.#ring;
    if (ring.size === 0) return undefined;
    const { maxSize, maxBytes, batchSize = maxSize } = this.#limits;
    const size = Math.min(maxSize, Math.max(batchSize, Math.floor(ring.size / WAITING_BATCHES)));
    const planner = this.#planner;
    const batch = planner.begin();
    batch.sequence = sequence;
    let cut: BatchCut = "turn";
    let answersBytes = 0;
    const mayBeApart = this.#apart.size > 0;
    if (this.#batchesApart > 0) batch.mostTogether = 1;
    // Marks count what stands before them: nothing may go past what stays.
    const choice = this.marks.waiting ? undefined : this.#choose?.(ring.peek()!);
    batch.choice = choice;
    let staying: Request[] | undefined;
    while (ring.size > 0) {
      if (this.marks.waiting && this.marks.blocks(this.#taken)) break;
      const request = ring.peek()!;
      if (request.kind === Kind.transaction) {
        // Parked on one key it would be overtaken on its others, so everything waits behind it.
        if (staying !== undefined || this.#held.touches(request.detail as readonly TransactionStep[])) break;
        batch.choice = undefined;
      }
      if (request.settled || (!this.#held.isEmpty && this.#held.park(request))) {
        this.#take();
        continue;
      }
      const hash = hashOfKey(request.key, request.keyUnits);
      if (choice !== undefined && request.kind !== Kind.transaction && !choice.suits(request.key, evenHash(hash))) {
        staying ??= shortLivedList();
        staying.push(ring.shift()!);
        continue;
      }
      let bytes = request.keyUnits + request.valueUnits;
      if (request.detail !== undefined) bytes += detailUnits(request.kind, request.detail);
      const answerBytes = request.kind === Kind.get ? readBytes : 0;
      if (batch.size > 0 && batch.bytes + answersBytes + bytes + answerBytes > maxBytes) {
        cut = "bytes";
        break;
      }
      if (!planner.offer(request, hash)) {
        cut = "hazard";
        break;
      }
      this.#take();
      request.batchSequence = sequence;
      if (mayBeApart) this.#leaveApart(request, batch);
      batch.size++;
      batch.bytes += bytes;
      answersBytes += answerBytes;
      if (request.kind === Kind.compareAndSwap) this.#held.hold(request.key);
      if (batch.size >= size) {
        cut = "size";
        break;
      }
    }
    planner.end();
    if (staying !== undefined) ring.unshiftAll(staying);
    if (batch.size === 0) return undefined;
    if (this.#batchesApart > 0) this.#batchesApart--;
    this.#onCut(cut);
    return batch;
  }

  /** The same batch, not handed over yet, without the requests that were given up meanwhile; possibly empty. */
  planAgain(stale: Batch): Batch {
    const requests: Request[] = [];
    stale.forEachRequest((request) => {
      if (!request.settled) requests.push(request);
      else if (request.kind === Kind.compareAndSwap) this.#letGo(request.key);
    });
    const planner = this.#planner;
    const batch = planner.begin();
    for (const request of inOrder(requests)) {
      forgetPlan(request);
      planner.offer(request, hashOfKey(request.key, request.keyUnits));
    }
    planner.end();
    batch.sequence = stale.sequence;
    batch.size = requests.length;
    batch.bytes = stale.bytes;
    batch.mostTogether = stale.mostTogether;
    return batch;
  }

  /** Lets go the keys that a batch held; what waited for them returns. */
  release(batch: Batch): void {
    if (this.#held.isEmpty) return;
    for (const group of [batch.others, batch.takenOut]) {
      for (const request of group) if (request.kind === Kind.compareAndSwap) this.#letGo(request.key);
    }
  }

  forEach(visit: (request: Request) => void): void {
    this.#returning.forEach(visit);
    this.#ring.forEach(visit);
    this.#held.forEachWaiting(visit);
  }

  /**
   * Frees the room of requests that were answered here, so that one which waits for long does not keep all behind it.
   * @param answered how many have been since the last time
   */
  dropAnswered(answered: number): void {
    this.#forgetApart();
    this.#dropFirstAnswered();
    const ring = this.#ring;
    this.#answered = Math.min(this.#answered + answered, ring.size);
    // Marks count what stands before them.
    if (this.marks.waiting || this.#answered * 2 <= ring.size) return;
    ring.keepOnly((request) => !request.settled);
    this.#answered = 0;
  }

  #dropFirstAnswered(): void {
    while (this.#ring.peek()?.settled === true) this.#take();
  }

  #letGo(key: CanonicalKey): void {
    const waiting = this.#held.release(key);
    if (waiting.length > 0) this.putBack(waiting);
  }

  #take(): void {
    const request = this.#ring.shift()!;
    this.#taken++;
    if (request.order === 0) request.order = ++this.#ordinal;
  }

  #leaveApart(request: Request, batch: Batch): void {
    const mostTogether = this.#apart.get(request);
    if (mostTogether === undefined) return;
    this.#apart.delete(request);
    batch.mostTogether = Math.min(batch.mostTogether, mostTogether);
  }

  /** Those that have their answers do not leave any more. */
  #forgetApart(): void {
    for (const request of this.#apart.keys()) if (request.settled) this.#apart.delete(request);
  }

  #takeBack(): void {
    if (this.#returning.length === 0) return;
    this.#forgetApart();
    const requests = this.#returning.filter((request) => !request.settled);
    this.#returning = [];
    for (const request of requests) {
      request.isReturning = false;
      forgetPlan(request);
    }
    this.#taken -= requests.length;
    // Some came back before and have not left since: those of now may have been called before them, or after.
    const ring = this.#ring;
    while (ring.size > 0 && ring.peek()!.order !== 0) requests.push(ring.shift()!);
    ring.unshiftAll(inOrder(requests));
  }
}

/** A read of a key that nothing before it writes. */
function isFreeRead(request: Request, waiting: readonly Request[], index: number): boolean {
  if (!isPlainRead(request)) return false;
  for (let i = 0; i < index; i++) {
    const earlier = waiting[i]!;
    if (!isPlainRead(earlier) && concerns(earlier, request.key)) return false;
  }
  return true;
}

function concerns(request: Request, key: CanonicalKey): boolean {
  if (request.kind !== Kind.transaction) return request.key === key;
  return (request.detail as readonly TransactionStep[]).some((step) => step.key === key);
}

function isPlainRead({ kind }: Request): boolean {
  return kind === Kind.get || kind === Kind.contains;
}

function inOrder(requests: Request[]): Request[] {
  return requests.sort((a, b) => a.order - b.order);
}

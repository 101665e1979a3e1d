import type { Batch } from "../backends/batch.js";
import { OPERATION_NAMES, type Request } from "../backends/request.js";
import type { EventLoop } from "../core/event-loop.js";
import { slotOf } from "../observability/log-linear.js";
import { OperationMeters } from "../observability/operation-meters.js";
import type { BatchPhases, PipelineWatcher } from "./pipeline-watcher.js";

/** Calls of many keys; their keys' requests are timed by phase, the whole by whoever makes the call. */
export const CALL_NAMES = ["batchGet", "batchPut", "batchDelete"] as const;
export type CallName = (typeof CALL_NAMES)[number];

export const METERED_OPERATIONS = [...OPERATION_NAMES, ...CALL_NAMES] as const;

const SINGLES = OPERATION_NAMES.length;
/** Most turns settle fewer; the notes grow for one that settles more. */
const USUAL_NOTES = 4096;
const MOST_SLOW_OF_A_BATCH = 16;
export const NEVER_SLOW = 0x7fffffff;

/**
 * Times operations from the call to the moment at which their callers go on. What arrives together is settled together,
 * and then its callers go on one after the other. So nothing is timed when it settles: it is noted. A microtask in front
 * of the callers' reads the clock, another one behind them reads it again and records, and the callers in between are
 * taken to have gone on in even steps, in the order in which they were settled.
 */
export class SettlementTimes {
  readonly meters: OperationMeters;
  /** How many were slow, by index of the operation. */
  readonly slowByOperation = new Float64Array(METERED_OPERATIONS.length);
  readonly #loop: EventLoop;
  readonly #watcher: PipelineWatcher | undefined;
  readonly #slowUs: number;
  #operations = new Uint8Array(USUAL_NOTES);
  #starts = new Int32Array(USUAL_NOTES);
  #orders = new Int32Array(USUAL_NOTES);
  #noted = 0;
  /**
   * The batches of what is noted, and where in the notes the part of each begins. Kept: an array that is emptied by its
   * length gives up its memory, and needs it again in the next turn.
   */
  readonly #batches: (Batch | undefined)[] = [];
  readonly #parts: number[] = [];
  #partCount = 0;
  #batch: Batch | undefined;
  /** When the first of the callers went on; undefined: none has. */
  #firstEndMs: number | undefined;
  /** The end of what is noted first, and how much later that of each further one is. */
  #firstEndUs = 0;
  #stepUs = 0;

  constructor(loop: EventLoop, watcher?: PipelineWatcher) {
    this.meters = new OperationMeters(METERED_OPERATIONS, loop.nowMs());
    this.#loop = loop;
    this.#watcher = watcher;
    this.#slowUs = watcher?.slowUs ?? NEVER_SLOW;
  }

  note(request: Request, batch: Batch): void {
    if (batch !== this.#batch) this.#beginPart(batch);
    // Recorded before their callers can go on, they would seem faster than they are.
    if (this.#noted === this.#starts.length) this.#grow();
    const at = this.#noted++;
    this.#operations[at] = request.collector === undefined ? request.kind : SINGLES + request.collector.call;
    this.#starts[at] = request.startedAtUs;
    this.#orders[at] = request.order;
  }

  /** Records what is noted; anyone who reads the meters calls it before. */
  readonly record = (): void => {
    if (this.#noted === 0) return;
    const nowMs = this.#loop.nowMs();
    const firstEndMs = this.#firstEndMs ?? nowMs;
    this.#firstEndMs = undefined;
    this.#firstEndUs = (firstEndMs * 1000) | 0;
    this.#stepUs = ((nowMs - firstEndMs) * 1000) / this.#noted;
    this.meters.advance(nowMs);
    const parts = this.#partCount;
    for (let part = 0; part < parts; part++) {
      const end = part + 1 < parts ? this.#parts[part + 1]! : this.#noted;
      this.#recordPart(this.#batches[part]!, this.#parts[part]!, end);
      this.#batches[part] = undefined;
    }
    this.#partCount = 0;
    this.#batch = undefined;
    this.#noted = 0;
  };

  /** Records one operation that ended outside of a batch: given up, refused, or a call of many keys. */
  recordAlone(operation: number, elapsedUs: number): void {
    this.meters.advance(this.#loop.nowMs());
    this.meters.latency[operation]!.record(elapsedUs);
    if (elapsedUs >= this.#slowUs) this.slowByOperation[operation]!++;
  }

  /** Records one operation that was answered at once, in less than the microsecond that latencies are counted in. */
  recordAtOnce(operation: number, nowMs: number): void {
    this.meters.advance(nowMs);
    this.meters.latency[operation]!.record(0);
  }

  readonly #callersGoOn = (): void => {
    if (this.#noted === 0) return;
    this.#firstEndMs = this.#loop.nowMs();
    this.#loop.asPromisesDo(this.record);
  };

  #grow(): void {
    const notes = this.#noted * 2;
    const operations = new Uint8Array(notes);
    const starts = new Int32Array(notes);
    const orders = new Int32Array(notes);
    operations.set(this.#operations);
    starts.set(this.#starts);
    orders.set(this.#orders);
    this.#operations = operations;
    this.#starts = starts;
    this.#orders = orders;
  }

  #beginPart(batch: Batch): void {
    if (this.#noted === 0) this.#loop.asPromisesDo(this.#callersGoOn);
    this.#batch = batch;
    const part = this.#partCount++;
    this.#batches[part] = batch;
    this.#parts[part] = this.#noted;
  }

  #recordPart(batch: Batch, from: number, to: number): void {
    const { latency, phases } = this.meters;
    const operations = this.#operations;
    const endedAtUs = this.#endOf((from + to) >>> 1);
    const codecUs = codecUsOf(batch);
    const storeUs = storeUsOf(batch, endedAtUs);
    const decodeUs = decodeUsOf(batch, endedAtUs);
    let isAnySlow = false;
    let at = from;
    while (at < to) {
      // Mostly a whole batch is of one operation, or half of it is.
      const first = at;
      const operation = operations[first]!;
      do at++;
      while (at < to && operations[at] === operation);
      const times = at - first;
      this.#count(phases.queue[operation]!.begin(times), first, at, batch.plannedAtUs, 0);
      phases.codec[operation]!.recordMany(codecUs, times);
      phases.store[operation]!.recordMany(storeUs, times);
      phases.decode[operation]!.recordMany(decodeUs, times);
      if (operation >= SINGLES) continue;
      const longestUs = this.#count(latency[operation]!.begin(times), first, at, this.#firstEndUs, this.#stepUs);
      if (longestUs >= this.#slowUs) isAnySlow = true;
    }
    if (isAnySlow) this.#reportSlow(batch, from, to);
  }

  #endOf(at: number): number {
    return (this.#firstEndUs + this.#stepUs * at) | 0;
  }

  /** Counts the time from the start of each to `atUs + at * stepUs`, and returns the longest. */
  #count(counts: Uint32Array, from: number, to: number, atUs: number, stepUs: number): number {
    const starts = this.#starts;
    let longestUs = 0;
    for (let at = from; at < to; at++) {
      const elapsedUs = Math.max(0, (atUs + stepUs * at - starts[at]!) | 0);
      counts[slotOf(elapsedUs)]!++;
      if (elapsedUs > longestUs) longestUs = elapsedUs;
    }
    return longestUs;
  }

  /** What is noted of an operation is little, so that noting is cheap; the rest is found in the batch. */
  #reportSlow(batch: Batch, from: number, to: number): void {
    const ends = new Map<number, number>();
    for (let at = from; at < to; at++) {
      const operation = this.#operations[at]!;
      if (operation >= SINGLES || ((this.#endOf(at) - this.#starts[at]!) | 0) < this.#slowUs) continue;
      this.slowByOperation[operation]!++;
      // Where all are slow, looking into each would make them slower.
      if (ends.size < MOST_SLOW_OF_A_BATCH) ends.set(this.#orders[at]!, this.#endOf(at));
    }
    batch.forEachRequest((request) => {
      const endedAtUs = ends.get(request.order | 0);
      if (endedAtUs === undefined) return;
      this.#watcher!.slow(request, batch, phasesOf(batch, endedAtUs), (endedAtUs - request.startedAtUs) | 0);
    });
  }
}

export function phasesOf(batch: Batch, endedAtUs: number): BatchPhases {
  return {
    codecUs: codecUsOf(batch),
    storeUs: storeUsOf(batch, endedAtUs),
    decodeUs: decodeUsOf(batch, endedAtUs),
  };
}

function codecUsOf(batch: Batch): number {
  return (handedOverAtUs(batch) - batch.plannedAtUs) | 0;
}

function storeUsOf(batch: Batch, endedAtUs: number): number {
  return (answeredAtUs(batch, endedAtUs) - handedOverAtUs(batch)) | 0;
}

function decodeUsOf(batch: Batch, endedAtUs: number): number {
  return (endedAtUs - answeredAtUs(batch, endedAtUs)) | 0;
}

function handedOverAtUs({ writtenAtUs, sentAtUs }: Batch): number {
  return writtenAtUs === 0 ? sentAtUs : writtenAtUs;
}

function answeredAtUs({ resultsAtUs }: Batch, endedAtUs: number): number {
  return resultsAtUs === 0 ? endedAtUs : resultsAtUs;
}

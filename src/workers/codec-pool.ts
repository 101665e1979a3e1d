import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import type { BatchCodec, CodecDirection } from "../codec/batch-codec.js";
import { FRAME_HEADER_BYTES } from "../codec/compression/compressor.js";
import { polledMs } from "../core/busy-poll.js";
import { type Clock, systemClock } from "../core/clock.js";
import type { StateError } from "../core/errors.js";
import { shortLivedList } from "../core/short-lived-list.js";
import { hasLostMemory, type Value } from "../core/value.js";
import { decodedBytes, type Part, partsOf, sizeOf } from "./batch-parts.js";
import type { CodecPoolStatistics } from "./codec-pool-statistics.js";
import { InlineCodec, type WorkerLogger } from "./inline-codec.js";
import { JobSlabs, roomFor, unpack } from "./job-slabs.js";
import { OffloadModel } from "./offload-model.js";
import { type CodecSettings, LARGE_RESULT_BYTES } from "./protocol.js";
import { testThreads } from "./self-test.js";
import { ThreadPool } from "./thread-pool.js";

export interface CodecPoolOptions extends CodecSettings {
  /** 'auto': a core less than the machine has, which on one core is none; 0: no threads. */
  readonly threads: number | "auto";
  readonly offload: "auto" | "never" | "always";
  readonly clock?: Clock;
  readonly logger?: WorkerLogger;
}

/** For tests: how a thread is to fail, and how soon that is noticed. */
export interface CodecPoolInternals {
  readonly workerFile?: URL;
  readonly watchdogFloorMs?: number;
}

export interface CodecPool extends BatchCodec {
  /** Running totals of what the threads compressed. */
  readonly statistics: { readonly bytesBeforeCompression: number; readonly bytesAfterCompression: number };
  /** For `stats()`: threads, jobs, choices made and what the model believes. */
  describe(): CodecPoolStatistics;
}

/** Long enough for a thread that has just been replaced to start on a machine that is short of cores. */
const WATCHDOG_FLOOR_MS = 1500;
/** A thread on a busy machine may get a small share of a core. */
const WATCHDOG_FACTOR = 20;
/** Before a job is done, only the compressed size of what it decodes is known. */
const LIKELY_RATIO = 4;
const LOSSES_BEFORE_REST = 16;
const REST_MS = 30_000;
const ATTEMPTS_IN_THREADS = 2;
/** Codec work that threads could have had, in sum, before they are started for it. */
const WORTH_STARTING_NS = 5e6;
/**
 * Codec work of whole batches in a pool of threads.
 *
 * A job is pure: what a thread loses is run again in another one, then here. So neither `encode` nor `decode` rejects
 * because of a thread, and where threads cannot be had everything is done here. The threads start when first needed.
 * Inputs must not change until the promise settles.
 */
export function createCodecPool(options: CodecPoolOptions, internals: CodecPoolInternals = {}): CodecPool {
  return new PooledCodec(options, internals);
}

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "starting"; readonly pool: ThreadPool; readonly started: Promise<void> }
  | { readonly kind: "running"; readonly pool: ThreadPool }
  | { readonly kind: "inline"; readonly why: string }
  | { readonly kind: "closed" };

class PooledCodec implements CodecPool {
  readonly statistics = { bytesBeforeCompression: 0, bytesAfterCompression: 0 };
  readonly #options: CodecPoolOptions;
  readonly #internals: CodecPoolInternals;
  readonly #settings: CodecSettings;
  readonly #threads: number;
  readonly #watchdogFloorMs: number;
  readonly #clock: Clock;
  readonly #model: OffloadModel;
  readonly #here: InlineCodec;
  readonly #slabs: JobSlabs;
  readonly #counters = { jobs: 0, lost: 0, doneInline: 0 };
  #threadMs = 0;
  #state: State;
  #lossesInARow = 0;
  #restUntilMs = 0;
  #wantedNs = 0;
  #batches = 0;
  #idleWaiters: (() => void)[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: CodecPoolOptions, internals: CodecPoolInternals) {
    const { codec, level, checksum, thresholdBytes, maxValueBytes } = options;
    this.#options = options;
    this.#internals = internals;
    this.#settings = { codec, level, checksum, thresholdBytes, maxValueBytes };
    this.#threads = options.threads === "auto" ? availableParallelism() - 1 : options.threads;
    this.#watchdogFloorMs = internals.watchdogFloorMs ?? WATCHDOG_FLOOR_MS;
    this.#clock = options.clock ?? systemClock;
    this.#here = new InlineCodec(this.#settings, options.logger);
    this.#slabs = new JobSlabs(2 * this.#threads + 2);
    this.#model = new OffloadModel({
      codec,
      threads: this.#threads,
      clock: this.#clock,
      busyMs: () => performance.eventLoopUtilization().active - polledMs(),
      afterTurn: (callback) => void setImmediate(callback),
    });
    this.#state = this.#threads > 0 && options.offload !== "never" ? { kind: "idle" } : inlineOnly("configured");
  }

  worthOffloading(direction: CodecDirection, values: number, bytes: number): boolean {
    const state = this.#state;
    if (state.kind === "inline" || state.kind === "closed") return false;
    if (direction === "encode" && this.#settings.codec === "none") return false;
    if (this.#isResting()) return false;
    if (this.#options.offload === "always") return true;
    if (state.kind === "running") return this.#model.offloads(direction, values, bytes, state.pool.jobs);
    if (state.kind === "idle") {
      this.#wantedNs += this.#model.offloadableNs(direction, values, bytes);
      if (this.#wantedNs >= WORTH_STARTING_NS) this.#start();
    }
    return false;
  }

  worthSpreading(direction: CodecDirection, values: number, bytes: number): boolean {
    return this.#model.fillsTurn(direction, values, bytes);
  }

  async encode(values: readonly Value[], keyChecksums: Uint32Array): Promise<readonly (Buffer | undefined)[]> {
    return (await this.#process("encode", values, keyChecksums)) as readonly (Buffer | undefined)[];
  }

  async decode(stored: readonly Buffer[], keyChecksums: Uint32Array): Promise<readonly (Buffer | StateError)[]> {
    return (await this.#process("decode", stored, keyChecksums)) as readonly (Buffer | StateError)[];
  }

  observeInline(direction: CodecDirection, values: number, bytes: number, elapsedMs: number): void {
    this.#model.observeInline(direction, values, bytes, elapsedMs);
  }

  observeSettled(operations: number, isIdle: boolean): void {
    if (this.#state.kind === "running" && this.#options.offload === "auto") this.#model.settled(operations, isIdle);
  }

  describe(): CodecPoolStatistics {
    const state = this.#state;
    return {
      state: state.kind,
      ...(state.kind === "inline" ? { why: state.why } : {}),
      threads: this.#threads,
      threadsAlive: state.kind === "running" ? state.pool.threads : 0,
      offload: this.#options.offload,
      resting: this.#isResting(),
      jobs: { ...this.#counters, underWay: state.kind === "running" ? state.pool.jobs : 0 },
      threadMs: this.#threadMs,
      model: this.#model.describe(),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const state = this.#state;
    if (state.kind === "starting") {
      this.#state = { kind: "closed" };
      await state.pool.destroy();
      await state.started;
    } else if (state.kind === "running") {
      // Batches under way keep their threads; what comes from now on is done here.
      this.#state = { kind: "closed" };
      if (this.#batches > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
      await state.pool.destroy();
    }
    this.#state = { kind: "closed" };
  }

  #start(): State & { readonly kind: "starting" } {
    const pool = new ThreadPool({
      workerFile: this.#internals.workerFile ?? new URL("./codec-worker.js", import.meta.url),
      threads: this.#threads,
      settings: this.#settings,
      watchdogFloorMs: this.#watchdogFloorMs,
      onThreadError: (error) => this.#options.logger?.debug({ err: error }, "a codec thread failed while idle"),
    });
    const starting: State & { readonly kind: "starting" } = { kind: "starting", pool, started: this.#check(pool) };
    this.#state = starting;
    return starting;
  }

  async #check(pool: ThreadPool): Promise<void> {
    try {
      await testThreads(pool, this.#here.envelope, { threads: this.#threads, model: this.#model });
      if (this.#state.kind === "starting") this.#state = { kind: "running", pool };
    } catch (error) {
      if (this.#state.kind !== "starting") return;
      this.#state = inlineOnly(error instanceof Error ? error.message : String(error));
      this.#options.logger?.warn(
        { err: error },
        "codec threads cannot be used: all codec work stays in the main thread",
      );
      await pool.destroy();
    }
  }

  async #process(
    direction: CodecDirection,
    inputs: readonly Value[],
    keyChecksums: Uint32Array,
  ): Promise<CodecResult[]> {
    const results: CodecResult[] = shortLivedList();
    for (let i = 0; i < inputs.length; i++) results.push(undefined);
    const job = new Job(direction, inputs, keyChecksums, results);
    if (this.#state.kind === "idle") this.#start();
    if (this.#state.kind === "starting") await this.#state.started;
    if (this.#state.kind !== "running") {
      this.#doHere(job, { first: 0, end: inputs.length });
      return results;
    }
    const { pool } = this.#state;
    this.#batches++;
    try {
      const whole = { first: 0, end: inputs.length };
      const parts = partsOf(inputs, this.#threads - pool.jobs, this.#likelyMs(direction, inputs, whole));
      if (parts.length === 1) await this.#doPart(pool, job, parts[0]!);
      else await this.#doParts(pool, job, parts);
      return results;
    } finally {
      if (--this.#batches === 0) this.#becomeIdle();
    }
  }

  #becomeIdle(): void {
    for (const waiter of this.#idleWaiters) waiter();
    this.#idleWaiters = [];
  }

  /** As many at once as keep the threads at work; the next is packed when one has come back. */
  async #doParts(pool: ThreadPool, job: Job, parts: readonly Part[]): Promise<void> {
    let next = 0;
    const oneByOne = async (): Promise<void> => {
      while (next < parts.length) await this.#doPart(pool, job, parts[next++]!);
    };
    await Promise.all(Array.from({ length: Math.min(pool.jobsAtOnce, parts.length) }, oneByOne));
  }

  async #doPart(pool: ThreadPool, job: Job, part: Part): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_IN_THREADS && pool.hasRoom && !this.#isResting(); attempt++) {
      if (job.direction === "encode" && lostMemoryIn(job.inputs, part)) break;
      try {
        await this.#doElsewhere(pool, job, part);
        this.#lossesInARow = 0;
        return;
      } catch (error) {
        this.#counters.lost++;
        if (++this.#lossesInARow >= LOSSES_BEFORE_REST) this.#restUntilMs = this.#clock.monotonicMs() + REST_MS;
        this.#options.logger?.debug({ err: error }, "a codec job was lost with its thread and is done again");
      }
    }
    this.#doHere(job, part);
  }

  /** Where job after job takes its thread down, starting threads anew would cost more than they give. */
  #isResting(): boolean {
    return this.#lossesInARow >= LOSSES_BEFORE_REST && this.#clock.monotonicMs() < this.#restUntilMs;
  }

  async #doElsewhere(pool: ThreadPool, job: Job, part: Part): Promise<void> {
    const { direction, inputs, keyChecksums, results } = job;
    const values = part.end - part.first;
    const startedMs = performance.now();
    const { slab, resultsAt } = this.#slabs.pack(
      inputs,
      keyChecksums,
      part,
      this.#resultBytes(direction, inputs, part),
    );
    const handedMs = performance.now();
    const allowanceMs = Math.max(this.#watchdogFloorMs, WATCHDOG_FACTOR * this.#likelyMs(direction, inputs, part));
    this.#counters.jobs++;
    const answer = await pool.run({ direction, values, slab, resultsAt }, allowanceMs);
    const answeredMs = performance.now();
    const failures = unpack(answer, part, results);
    for (const { index } of failures) this.#doHere(job, { first: part.first + index, end: part.first + index + 1 });
    this.#slabs.giveBack(answer.slab);
    this.statistics.bytesBeforeCompression += answer.bytesBeforeCompression;
    this.statistics.bytesAfterCompression += answer.bytesAfterCompression;
    this.#threadMs += answer.elapsedMs;
    const bytes = direction === "encode" ? sizeOf(inputs, part) : decodedBytes(results, part);
    this.#model.observeHanding(direction, values, bytes, handedMs - startedMs + performance.now() - answeredMs);
    // A thread is no faster than this one would be: a shorter time than believed corrects the belief.
    if (answer.elapsedMs < this.#model.inlineMs(direction, values, bytes)) {
      this.#model.observeInline(direction, values, bytes, answer.elapsedMs);
    }
    this.#model.observeHop(answeredMs - handedMs - answer.elapsedMs);
  }

  /** Room for the results of small values; a claim of more than that is not believed before it is checked. */
  #resultBytes(direction: CodecDirection, inputs: readonly Value[], part: Part): number {
    const values = part.end - part.first;
    const largest = values * LARGE_RESULT_BYTES;
    if (direction === "encode") {
      const bytes = roomFor(inputs, part);
      return bytes < largest ? bytes + values * FRAME_HEADER_BYTES : 0;
    }
    let bytes = 0;
    for (let index = part.first; index < part.end; index++) {
      const stored = inputs[index] as Buffer;
      bytes += Math.max(stored.length, this.#here.envelope.claimedRawBytes(stored, 0, stored.length));
    }
    return bytes < largest ? bytes : 0;
  }

  #likelyMs(direction: CodecDirection, inputs: readonly Value[], part: Part): number {
    const bytes = sizeOf(inputs, part) * (direction === "encode" ? 1 : LIKELY_RATIO);
    return this.#model.inlineMs(direction, part.end - part.first, bytes);
  }

  #doHere({ direction, inputs, keyChecksums, results }: Job, { first, end }: Part): void {
    this.#counters.doneInline++;
    for (let index = first; index < end; index++) {
      const input = inputs[index]!;
      const keyChecksum = keyChecksums[index]!;
      results[index] =
        direction === "encode"
          ? this.#here.encode(keyChecksum, input)
          : this.#here.decode(keyChecksum, input as Buffer);
    }
  }
}

/** A class, as `shortLivedList` says of literals. */
class Job {
  readonly direction: CodecDirection;
  readonly inputs: readonly Value[];
  readonly keyChecksums: Uint32Array;
  readonly results: CodecResult[];

  constructor(direction: CodecDirection, inputs: readonly Value[], keyChecksums: Uint32Array, results: CodecResult[]) {
    this.direction = direction;
    this.inputs = inputs;
    this.keyChecksums = keyChecksums;
    this.results = results;
  }
}

/** undefined: a value to be encoded that has no bytes any more. */
type CodecResult = Buffer | StateError | undefined;

/** Whose it is shows when each is done by itself. */
function lostMemoryIn(inputs: readonly Value[], { first, end }: Part): boolean {
  for (let index = first; index < end; index++) {
    const input = inputs[index]!;
    if (typeof input !== "string" && hasLostMemory(input)) return true;
  }
  return false;
}

function inlineOnly(why: string): State {
  return { kind: "inline", why };
}

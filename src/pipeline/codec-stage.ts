import type { Batch, UndecodedRead } from "../backends/batch.js";
import type { Request } from "../backends/request.js";
import type { BatchCodec } from "../codec/batch-codec.js";
import { FramedValue, type ValueCodec } from "../codec/value-codec.js";
import type { EventLoop } from "../core/event-loop.js";
import type { CanonicalKey } from "../core/key.js";
import { shortLivedList } from "../core/short-lived-list.js";
import type { Value } from "../core/value.js";
import { DecodingTurns, type SettleRead } from "./decoding-turns.js";

export interface CodecStageOptions {
  readonly codec: ValueCodec;
  readonly batchCodec: BatchCodec;
  /** CRC-32 of a key as it stands in the store. */
  readonly keyChecksum: (key: CanonicalKey) => number;
  /** Hands a batch to the driver. Called in the order in which batches entered the stage. */
  readonly execute: (batch: Batch) => void;
  /** Whether nothing may leave now; `advance` is called when it may. */
  readonly isHeldBack: () => boolean;
}

/** A class, as `shortLivedList` says of literals. */
class Waiting {
  readonly batch: Batch;
  isReady: boolean;

  constructor(batch: Batch, isReady: boolean) {
    this.batch = batch;
    this.isReady = isReady;
  }
}

/**
 * Where batches wait while their values are compressed by another thread. First in, first out: a batch never leaves
 * before those that entered earlier, in whatever order their jobs end, so the order of operations stays that of the
 * calls.
 */
export class CodecStage {
  readonly #options: CodecStageOptions;
  readonly #waiting: Waiting[] = [];
  readonly #turns: DecodingTurns;
  /** Batches whose values are decompressed here, over several turns. */
  readonly #spread = new WeakSet<Batch>();

  constructor(options: CodecStageOptions, loop: EventLoop) {
    this.#options = options;
    this.#turns = new DecodingTurns(options.codec, loop);
  }

  /** True: the stage has taken the batch and will hand it to the driver. False: it can go there at once. */
  take(batch: Batch): boolean {
    const heavy = this.#worthOffloading(batch);
    if (heavy === undefined && this.#waiting.length === 0) return false;
    const entry = new Waiting(batch, heavy === undefined);
    this.#waiting.push(entry);
    if (heavy !== undefined) void this.#encode(heavy, entry);
    return true;
  }

  holds(batch: Batch): boolean {
    return this.#waiting.some((entry) => entry.batch === batch);
  }

  /** Whether values like this one, as many as the batch has reads, are better decompressed elsewhere, or later. */
  defersDecoding(batch: Batch, rawBytes: number): boolean {
    const { batchCodec } = this.#options;
    const values = batch.reads.length;
    if (batchCodec.worthOffloading("decode", values, values * rawBytes)) return true;
    if (values === 1 || !batchCodec.worthSpreading("decode", values, values * rawBytes)) return false;
    this.#spread.add(batch);
    return true;
  }

  /** Decodes what a batch left undecoded; never rejects. */
  async decode(batch: Batch, reads: readonly UndecodedRead[], settle: SettleRead): Promise<void> {
    if (this.#spread.delete(batch)) {
      await this.#turns.decode(reads, settle);
      return;
    }
    const count = reads.length;
    const checksums = new Uint32Array(count);
    const stored: Buffer[] = shortLivedList();
    for (let index = 0; index < count; index++) {
      const read = reads[index]!;
      checksums[index] = read.keyChecksum;
      stored.push(read.stored);
    }
    const values = await this.#options.batchCodec.decode(stored, checksums);
    for (let index = 0; index < count; index++) settle(reads[index]!.leader, values[index]!);
  }

  #worthOffloading(batch: Batch): readonly Request[] | undefined {
    const { codec, batchCodec } = this.#options;
    // Most batches have no value above the threshold, and their sum tells so at once.
    if (!codec.compresses(batch.bytes)) return undefined;
    const heavy: Request[] = shortLivedList();
    let bytes = 0;
    for (const group of [batch.puts, batch.expiringPuts]) {
      for (const request of group) {
        if (!codec.compresses(request.valueUnits)) continue;
        if (request.hint !== undefined && !request.hint.isPromising) continue;
        heavy.push(request);
        bytes += request.valueUnits;
      }
    }
    return heavy.length > 0 && batchCodec.worthOffloading("encode", heavy.length, bytes) ? heavy : undefined;
  }

  async #encode(requests: readonly Request[], entry: Waiting): Promise<void> {
    const { codec, batchCodec, keyChecksum } = this.#options;
    const count = requests.length;
    const checksums = new Uint32Array(count);
    const values: Value[] = shortLivedList();
    for (let index = 0; index < count; index++) {
      const request = requests[index]!;
      checksums[index] = keyChecksum(request.key);
      values.push(request.value!);
    }
    const frames = await batchCodec.encode(values, checksums);
    for (let index = 0; index < count; index++) {
      const request = requests[index]!;
      const frame = frames[index];
      // The driver will meet it, and fail it alone.
      if (frame === undefined) continue;
      request.value = new FramedValue(frame, request.value!);
      request.hint?.learn(codec.claimedRawBytes(frame, 0, frame.length) >= 0);
    }
    entry.isReady = true;
    this.advance();
  }

  /** Hands over what is ready and behind nothing that is not. */
  advance(): void {
    while (this.#waiting[0]?.isReady === true && !this.#options.isHeldBack()) {
      this.#options.execute(this.#waiting.shift()!.batch);
    }
  }
}

import { SEALING_REGION_BYTES, type SealingRegion } from "../../codec/kernel/sealing-region.js";
import type { ValueCodec } from "../../codec/value-codec.js";
import { type CanonicalKey, writeKey } from "../../core/key.js";
import type { Value } from "../../core/value.js";
import { RECORD_HEADER_BYTES, writeRecordHeader } from "./record.js";

const SLAB_BYTES = 256 * 1024;
const NO_SLAB = Buffer.alloc(0);
const MOST_GATHERED = 1024;
/** Bytes of a small value's header, and of rounding. */
const FRAME_ROOM_BYTES = 16;

/** Bytes of which the library takes those from `start` to `end`, the way it knows from its own encoders. */
export type MarkedBytes = Buffer & { start?: number; end?: number };

/**
 * Builds records one behind the other in slabs, because the library looks up an address once per allocation. A slab is
 * never used twice: the library's thread reads the records after the call that hands them over.
 *
 * Small values are gathered: their records are laid out in memory of the kernel, which makes all their checksums in one
 * call, and leave in a slab together.
 */
export class RecordWriter {
  readonly #codec: ValueCodec;
  readonly #region: SealingRegion | undefined;
  readonly #keys: CanonicalKey[] = [];
  readonly #starts = new Int32Array(MOST_GATHERED);
  readonly #ends = new Int32Array(MOST_GATHERED);
  readonly #expiries = new Float64Array(MOST_GATHERED);
  #gathered = 0;
  #gatheredBytes = 0;
  #slab = NO_SLAB;
  #at = 0;

  constructor(codec: ValueCodec, region: SealingRegion | undefined) {
    this.#codec = codec;
    this.#region = region;
  }

  write(keyChecksum: number, value: Value, expiresAtMs: number): Buffer {
    this.#reserve(RECORD_HEADER_BYTES + this.#codec.maxEncodedBytes(value));
    const start = this.#at;
    writeRecordHeader(this.#slab, start, expiresAtMs);
    this.#at = this.#codec.encodeInto(this.#slab, start + RECORD_HEADER_BYTES, keyChecksum, value);
    return this.#taken(start);
  }

  writeEncoded(stored: Buffer, expiresAtMs: number): Buffer {
    this.#reserve(RECORD_HEADER_BYTES + stored.length);
    const start = this.#at;
    writeRecordHeader(this.#slab, start, expiresAtMs);
    this.#at = start + RECORD_HEADER_BYTES + stored.copy(this.#slab, start + RECORD_HEADER_BYTES);
    return this.#taken(start);
  }

  /** Whether a put of so many UTF-16 units may be gathered with what is there; if not, `release` may make room. */
  hasRoom(units: number): boolean {
    const needed = units * 3 + RECORD_HEADER_BYTES + FRAME_ROOM_BYTES;
    return this.#gathered < MOST_GATHERED && this.#gatheredBytes + needed <= SEALING_REGION_BYTES;
  }

  /** False: the value has to be written by itself. */
  gather(key: CanonicalKey, keyUnits: number, value: Value, expiresAtMs: number): boolean {
    const region = this.#region;
    if (region === undefined || !this.hasRoom(keyUnits + value.length)) return false;
    const { bytes } = region;
    const keyAt = this.#gatheredBytes;
    const start = writeKey(bytes, keyAt, key, keyUnits);
    const frame = start + RECORD_HEADER_BYTES;
    const end = this.#codec.encodeUnsealed(bytes, frame, value);
    if (end < 0) return false;
    writeRecordHeader(bytes, start, expiresAtMs);
    region.note(keyAt, start - keyAt, frame, end - frame);
    const index = this.#gathered++;
    this.#keys[index] = key;
    this.#starts[index] = start;
    this.#ends[index] = end;
    this.#expiries[index] = expiresAtMs;
    this.#gatheredBytes = end;
    return true;
  }

  /** Hands out the gathered records, in their order; each is to be passed on before the next. */
  release(pass: (key: CanonicalKey, record: Buffer, expiresAtMs: number) => void): void {
    const count = this.#gathered;
    if (count === 0) return;
    const bytes = this.#gatheredBytes;
    // Before anything that can fail: what is reported as failed must not leave with the next records.
    this.#gathered = 0;
    this.#gatheredBytes = 0;
    const region = this.#region!;
    region.seal();
    const slab: MarkedBytes = Buffer.allocUnsafeSlow(bytes);
    region.bytes.copy(slab, 0, 0, bytes);
    for (let i = 0; i < count; i++) {
      slab.start = this.#starts[i]!;
      slab.end = this.#ends[i]!;
      pass(this.#keys[i]!, slab, this.#expiries[i]!);
    }
  }

  /** The record written last. Memory that a large value asked for is not kept for the next one. */
  #taken(start: number): Buffer {
    const record = this.#slab.subarray(start, this.#at);
    if (this.#slab.length > SLAB_BYTES) {
      this.#slab = NO_SLAB;
      this.#at = 0;
    }
    return record;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#slab.length) return;
    this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
    this.#at = 0;
  }
}

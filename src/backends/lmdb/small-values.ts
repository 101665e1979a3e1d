import { SEALING_REGION_BYTES, type SealingRegion } from "../../codec/kernel/sealing-region.js";
import { writeKey } from "../../core/key.js";
import { viewOf } from "../../core/value-memory.js";
import type { Batch } from "../batch.js";
import type { Request } from "../request.js";
import { RECORD_HEADER_BYTES } from "./record.js";

/** Keys lie before this place of the region, values behind it. */
const VALUES_AT = 64 * 1024;
const LONGEST_KEY_UNITS = 1024;
const MOST_VALUES = 1024;
const LONGEST_FRAME_BYTES = 1032;
/** Values are handed out as views of blocks of this size: one copy for seventy of 100 bytes. */
const BLOCK_BYTES = 8192;

/*
 * The stored form of a value (src/codec/envelope.ts), in words of four bytes:
 *   0  magic, low half of the checksum   1  high half of the checksum, version and codec, flags   2…  body
 */
const FRAME_HEADER_BYTES = 8;
const MAGIC = 0x4dc1;
/** Version 1, no codec, checksum present. */
const PLAIN_WITH_CHECKSUM = 0x0110;

/**
 * Reads of a batch that found values which are small, stored as they are and under a checksum, which nearly all are:
 * copied word by word out of the library's buffer into memory of the kernel, checked there in one call by making
 * their checksums anew, and handed out as views of common blocks. For each alone, the call, the copy and the checksum in
 * JavaScript cost as much as finding it in the tree.
 */
export class SmallValues {
  readonly #region: SealingRegion;
  readonly #words: Int32Array;
  readonly #requests: (Request | undefined)[] = [];
  readonly #from = new Int32Array(MOST_VALUES);
  readonly #until = new Int32Array(MOST_VALUES);
  readonly #checksums = new Int32Array(MOST_VALUES);
  #count = 0;
  #keysEnd = 0;
  #valuesEnd = VALUES_AT;
  /** The library reads into the same buffer until a value is longer than that. */
  #source: Buffer | undefined;
  #sourceWords: Int32Array = new Int32Array(0);

  constructor(region: SealingRegion) {
    const { buffer, byteOffset } = region.bytes;
    this.#region = region;
    this.#words = new Int32Array(buffer, byteOffset, SEALING_REGION_BYTES / 4);
  }

  /** Whether another one fits; if not, `settle` makes room. */
  get hasRoom(): boolean {
    return (
      this.#count < MOST_VALUES &&
      this.#valuesEnd + LONGEST_FRAME_BYTES <= SEALING_REGION_BYTES &&
      this.#keysEnd + LONGEST_KEY_UNITS * 3 <= VALUES_AT
    );
  }

  /** False: the value has to be looked at by itself. @param record in the library's buffer, not expired */
  take(request: Request, record: Buffer): boolean {
    const frameBytes = record.length - RECORD_HEADER_BYTES;
    if (frameBytes < FRAME_HEADER_BYTES || frameBytes > LONGEST_FRAME_BYTES) return false;
    if (request.keyUnits > LONGEST_KEY_UNITS) return false;
    if (record !== this.#source && !this.#adopt(record)) return false;
    const source = this.#sourceWords;
    let from = RECORD_HEADER_BYTES / 4;
    const first = source[from]!;
    const second = source[from + 1]!;
    if ((first & 0xffff) !== MAGIC || second >>> 16 !== PLAIN_WITH_CHECKSUM) return false;
    const words = this.#words;
    const at = this.#valuesEnd;
    const end = (at + frameBytes + 3) >> 2;
    for (let to = at >> 2; to < end; ) words[to++] = source[from++]!;
    const keyAt = this.#keysEnd;
    const keyEnd = writeKey(this.#region.bytes, keyAt, request.key, request.keyUnits);
    this.#region.note(keyAt, keyEnd - keyAt, at, frameBytes);
    const index = this.#count;
    this.#requests[index] = request;
    this.#from[index] = at;
    this.#until[index] = at + frameBytes;
    this.#checksums[index] = (first >>> 16) | (second << 16);
    this.#count = index + 1;
    this.#keysEnd = keyEnd;
    this.#valuesEnd = end << 2;
    return true;
  }

  /**
   * Answers all that were taken.
   * @param refuse called with the stored form of a value whose checksum is wrong
   */
  settle(batch: Batch, refuse: (request: Request, stored: Buffer) => void): void {
    const count = this.#count;
    if (count === 0) return;
    const region = this.#region;
    region.seal();
    const { bytes } = region;
    const valuesEnd = this.#valuesEnd;
    this.#count = 0;
    this.#keysEnd = 0;
    this.#valuesEnd = VALUES_AT;
    const words = this.#words;
    let memory: ArrayBufferLike | undefined;
    let blockStart = 0;
    let blockEnd = 0;
    for (let i = 0; i < count; i++) {
      const request = this.#requests[i]!;
      this.#requests[i] = undefined;
      const from = this.#from[i]!;
      const until = this.#until[i]!;
      const word = from >> 2;
      if (((words[word]! >>> 16) | (words[word + 1]! << 16)) !== this.#checksums[i]) {
        const stored = Buffer.from(bytes.subarray(from, until));
        stored.writeInt32LE(this.#checksums[i]!, 2);
        refuse(request, stored);
        continue;
      }
      if (until > blockEnd) {
        blockStart = from;
        blockEnd = Math.min(from + BLOCK_BYTES, valuesEnd);
        const block = Buffer.allocUnsafeSlow(blockEnd - blockStart);
        bytes.copy(block, 0, blockStart, blockEnd);
        memory = block.buffer;
      }
      const bodyAt = from + FRAME_HEADER_BYTES;
      batch.succeed(request, viewOf(memory!, bodyAt - blockStart, until - bodyAt));
    }
  }

  #adopt(record: Buffer): boolean {
    if ((record.byteOffset & 3) !== 0) return false;
    this.#source = record;
    const words = (record.buffer.byteLength - record.byteOffset) >> 2;
    this.#sourceWords = new Int32Array(record.buffer, record.byteOffset, words);
    return true;
  }
}

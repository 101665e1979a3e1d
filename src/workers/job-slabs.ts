import type { StateError } from "../core/errors.js";
import { CorruptValueError, UnsupportedOperationError } from "../core/errors.js";
import type { Value } from "../core/value.js";
import { allocateValue, viewOf } from "../core/value-memory.js";
import type { Part } from "./batch-parts.js";
import {
  type CodecResults,
  headBytes,
  headOf,
  IN_SLAB,
  NO_BLOCK,
  type ValueFailure,
  WORDS_PER_VALUE,
} from "./protocol.js";

const SLAB_STEP_BYTES = 64 * 1024;
/** The next job is seldom of the same size. */
const ROOM_TO_GROW = 1.125;
/** Larger slabs are not kept for the next job. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;
/** Short text is given three bytes per unit of room, of which what is not written costs nothing; longer text is measured. */
const MEASURED_FROM_UNITS = 64 * 1024;
/** Values of a store's reply lie so close to each other that they are copied together, what is between them included. */
const MAX_GAP_BYTES = 64;
const MAX_UTF8_BYTES_PER_CHARACTER = 4;
/** Results that share memory: one that its owner keeps for long keeps no more than this. */
const RUN_BYTES = 8192;

export interface PackedJob {
  readonly slab: ArrayBuffer;
  readonly resultsAt: number;
}

/**
 * Memory for jobs. It is allocated here, since only such memory can be moved to another thread without its
 * neighbours, and comes back with the results: fresh memory costs a page fault per 4 KiB.
 */
export class JobSlabs {
  readonly #kept: ArrayBuffer[] = [];
  readonly #capacity: number;

  /** @param capacity slabs kept at most */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  giveBack(slab: ArrayBuffer): void {
    if (slab.byteLength <= MAX_KEPT_BYTES && this.#kept.length < this.#capacity) this.#kept.push(slab);
  }

  /**
   * Text becomes UTF-8.
   * @param resultBytes room for results; 0: they come in blocks of their own
   */
  pack(inputs: readonly Value[], keyChecksums: Uint32Array, part: Part, resultBytes: number): PackedJob {
    const { first, end } = part;
    const values = end - first;
    const slab = this.#take(headBytes(values) + roomFor(inputs, part) + values * MAX_GAP_BYTES + resultBytes);
    const head = headOf(slab, values);
    const bytes = Buffer.from(slab);
    let at = headBytes(values);
    let word = 0;
    for (let index = first; index < end; ) {
      const input = inputs[index]!;
      if (typeof input === "string") {
        head[word] = at;
        at = writeWhole(bytes, input, at);
        head[word + 1] = at;
        head[word + 2] = keyChecksums[index++]!;
        word += WORDS_PER_VALUE;
        continue;
      }
      const { buffer, byteOffset } = input;
      let until = byteOffset + input.length;
      const shift = at - byteOffset;
      head[word] = at;
      head[word + 1] = until + shift;
      head[word + 2] = keyChecksums[index++]!;
      word += WORDS_PER_VALUE;
      while (index < end) {
        const next = inputs[index]!;
        if (typeof next === "string" || next.buffer !== buffer) break;
        const from = next.byteOffset;
        if (from < until || from - until > MAX_GAP_BYTES) break;
        until = from + next.length;
        head[word] = from + shift;
        head[word + 1] = until + shift;
        head[word + 2] = keyChecksums[index++]!;
        word += WORDS_PER_VALUE;
      }
      bytes.set(new Uint8Array(buffer, byteOffset, until - byteOffset), at);
      at = until + shift;
    }
    return { slab, resultsAt: resultBytes > 0 ? at : slab.byteLength };
  }

  #take(bytes: number): ArrayBuffer {
    const index = this.#kept.findIndex((slab) => slab.byteLength >= bytes);
    if (index >= 0) return this.#kept.splice(index, 1)[0]!;
    // A size that was too small for this job is likely too small for the next.
    this.#kept.shift();
    return new ArrayBuffer(Math.ceil((bytes * ROOM_TO_GROW) / SLAB_STEP_BYTES) * SLAB_STEP_BYTES);
  }
}

/** Writing stops without a word where the room ends, and half a value would get a checksum that is right. */
function writeWhole(bytes: Buffer, text: string, at: number): number {
  const end = at + bytes.write(text, at);
  if (bytes.length - end < MAX_UTF8_BYTES_PER_CHARACTER && end - at !== Buffer.byteLength(text)) {
    throw new RangeError("a job's slab has no room for its values");
  }
  return end;
}

/** Puts results in their places; returns the failures that say nothing about the value. */
export function unpack(
  results: CodecResults,
  { first, end }: Part,
  into: (Buffer | StateError | undefined)[],
): readonly ValueFailure[] {
  const { slab, blocks } = results;
  const head = headOf(slab, end - first);
  let word = 0;
  for (let index = first; index < end; ) {
    const block = head[word]!;
    const start = head[word + 1]!;
    if (block !== IN_SLAB) {
      if (block !== NO_BLOCK) into[index] = Buffer.from(blocks[block]!, start, head[word + 2]! - start);
      word += WORDS_PER_VALUE;
      index++;
      continue;
    }
    let next = word + WORDS_PER_VALUE;
    while (next < head.length && head[next] === IN_SLAB && head[next + 2]! - start <= RUN_BYTES) {
      next += WORDS_PER_VALUE;
    }
    const bytes = head[next - 1]! - start;
    const run = allocateValue(bytes);
    run.set(new Uint8Array(slab, start, bytes));
    const { buffer, byteOffset } = run;
    const shift = byteOffset - start;
    for (; word < next; word += WORDS_PER_VALUE) {
      into[index++] = viewOf(buffer, head[word + 1]! + shift, head[word + 2]! - head[word + 1]!);
    }
  }
  const unexplained: ValueFailure[] = [];
  for (const failure of results.failures) {
    if (failure.kind === "other") unexplained.push(failure);
    else into[first + failure.index] = errorOf(failure);
  }
  return unexplained;
}

function errorOf({ kind, detail, reason }: ValueFailure): StateError {
  const Class = kind === "corrupt" ? CorruptValueError : UnsupportedOperationError;
  return new Class(detail, reason === undefined ? {} : { reason });
}

/** Bytes that suffice for the inputs as UTF-8. */
export function roomFor(inputs: readonly Value[], { first, end }: Part): number {
  let bytes = 0;
  for (let index = first; index < end; index++) {
    const input = inputs[index]!;
    if (typeof input !== "string") bytes += input.length;
    else bytes += input.length < MEASURED_FROM_UNITS ? input.length * 3 : Buffer.byteLength(input);
  }
  return bytes;
}

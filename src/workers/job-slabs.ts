import type { StateError } from "../core/errors.js";
import { CorruptValueError, UnsupportedOperationError } from "../core/errors.js";
import type { Value } from "../core/value.js";
import type { Part } from "./batch-parts.js";
import { type CodecResults, headBytes, headOf, NO_BLOCK, type ValueFailure, WORDS_PER_VALUE } from "./protocol.js";

const SLAB_STEP_BYTES = 64 * 1024;
/** The next job is seldom of the same size. */
const ROOM_TO_GROW = 1.125;
/** Larger slabs are not kept for the next job. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;
/** Short text is given three bytes per unit of room, of which what is not written costs nothing; longer text is measured. */
const MEASURED_FROM_UNITS = 64 * 1024;

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

  /** Text becomes UTF-8. */
  pack(inputs: readonly Value[], keyChecksums: Uint32Array, { first, end }: Part): ArrayBuffer {
    const values = end - first;
    const slab = this.#take(headBytes(values) + roomFor(inputs, first, end));
    const head = headOf(slab, values);
    const bytes = Buffer.from(slab);
    let at = headBytes(values);
    let word = 0;
    for (let index = first; index < end; index++) {
      const input = inputs[index]!;
      head[word] = at;
      if (typeof input === "string") {
        at += bytes.write(input, at);
      } else {
        bytes.set(input, at);
        at += input.length;
      }
      head[word + 1] = at;
      head[word + 2] = keyChecksums[index]!;
      word += WORDS_PER_VALUE;
    }
    return slab;
  }

  #take(bytes: number): ArrayBuffer {
    const index = this.#kept.findIndex((slab) => slab.byteLength >= bytes);
    if (index >= 0) return this.#kept.splice(index, 1)[0]!;
    // A size that was too small for this job is likely too small for the next.
    this.#kept.shift();
    return new ArrayBuffer(Math.ceil((bytes * ROOM_TO_GROW) / SLAB_STEP_BYTES) * SLAB_STEP_BYTES);
  }
}

/** Puts results in their places; returns the failures that say nothing about the value. */
export function unpack(
  results: CodecResults,
  { first, end }: Part,
  into: (Buffer | StateError)[],
): readonly ValueFailure[] {
  const head = headOf(results.slab, end - first);
  const blocks = results.blocks;
  let word = 0;
  for (let index = first; index < end; index++) {
    const block = head[word]!;
    if (block !== NO_BLOCK) {
      const start = head[word + 1]!;
      into[index] = Buffer.from(blocks[block]!, start, head[word + 2]! - start);
    }
    word += WORDS_PER_VALUE;
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

function roomFor(inputs: readonly Value[], first: number, end: number): number {
  let bytes = 0;
  for (let index = first; index < end; index++) {
    const input = inputs[index]!;
    if (typeof input !== "string") bytes += input.length;
    else bytes += input.length < MEASURED_FROM_UNITS ? input.length * 3 : Buffer.byteLength(input);
  }
  return bytes;
}

import type { StateError } from "../core/errors.js";
import type { Value } from "../core/value.js";

/** A thread is not given less work than this: it takes a hop. */
const MIN_WORK_MS = 0.3;
/** What is packed while a thread works on what was packed before; below this a hop costs more than that saves. */
const MIN_OVERLAP_BYTES = 192 * 1024;
const MAX_PARTS_PER_THREAD = 4;
/** Packed or unpacked in one turn of the event loop, in a millisecond or so. */
const MAX_PART_BYTES = 1024 * 1024;

/** The values `first` to `end` of a batch. */
export interface Part {
  readonly first: number;
  readonly end: number;
}

/**
 * Parts of about the same size for the idle threads, and of large batches several for each, so that the calling thread
 * packs one while the one before is worked on; none so large that packing it would hold up the event loop, unless that is
 * a single value.
 * @param inlineMs what the whole batch would take in one thread
 */
export function partsOf(inputs: readonly Value[], idleThreads: number, inlineMs: number): readonly Part[] {
  const whole = { first: 0, end: inputs.length };
  if (inputs.length <= 1) return [whole];
  const bytes = sizeOf(inputs, whole);
  const forThreads = idleThreads <= 0 ? 1 : partsForThreads(bytes, idleThreads, inlineMs);
  const wanted = Math.min(Math.max(forThreads, Math.ceil(bytes / MAX_PART_BYTES)), inputs.length);
  if (wanted === 1) return [whole];
  const parts: Part[] = [];
  let first = 0;
  let sum = 0;
  for (const [index, input] of inputs.entries()) {
    sum += input.length;
    if (sum < bytes / wanted || parts.length === wanted - 1) continue;
    parts.push({ first, end: index + 1 });
    first = index + 1;
    sum = 0;
  }
  if (first < inputs.length) parts.push({ first, end: inputs.length });
  return parts;
}

function partsForThreads(bytes: number, idleThreads: number, inlineMs: number): number {
  const threads = Math.max(1, Math.min(idleThreads, Math.floor(inlineMs / MIN_WORK_MS)));
  return threads * Math.max(1, Math.min(MAX_PARTS_PER_THREAD, Math.floor(bytes / threads / MIN_OVERLAP_BYTES)));
}

/** In bytes, or UTF-16 units for text. */
export function sizeOf(inputs: readonly Value[], { first, end }: Part): number {
  let bytes = 0;
  for (let index = first; index < end; index++) bytes += inputs[index]!.length;
  return bytes;
}

export function decodedBytes(results: readonly (Buffer | StateError | undefined)[], { first, end }: Part): number {
  let bytes = 0;
  for (let index = first; index < end; index++) {
    const result = results[index];
    if (Buffer.isBuffer(result)) bytes += result.length;
  }
  return bytes;
}

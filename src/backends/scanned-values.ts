import type { ScanningRegion } from "../codec/kernel/scanning-region.js";
import { allocateValue, viewOf } from "../core/value-memory.js";
import type { Batch } from "./batch.js";
import type { Request } from "./request.js";

/**
 * Small values are copied out of what a socket brought together, in blocks of the size of Node's own buffer pool, and
 * handed out as views: one copy for seventy values of 100 bytes, and no value keeps more than a block alive.
 */
export const BLOCK_BYTES = 8192;

/** The longest value that is found by scanning, as `MAX_FRAME_BYTES` of the kernel says. */
export const MAX_SCANNED_VALUE_BYTES = 1024;

/**
 * Answers as many reads, from `first` on, as the region has just found values.
 * @param bytes of the region, received up to `end`
 */
export function answerScanned(
  batch: Batch,
  reads: readonly Request[],
  first: number,
  found: number,
  region: ScanningRegion,
  bytes: Buffer,
  end: number,
): void {
  if (found === 1 && region.from(0) >= 0) {
    batch.succeed(reads[first]!, copyOfRun(bytes, region.from(0), region.until(0)));
    return;
  }
  let memory: ArrayBufferLike | undefined;
  let shift = 0;
  let blockEnd = 0;
  for (let i = 0; i < found; i++) {
    const request = reads[first + i]!;
    const from = region.from(i);
    if (from < 0) {
      batch.succeed(request, null);
      continue;
    }
    const until = region.until(i);
    if (until > blockEnd) {
      const block = copyOfRun(bytes, from, Math.min(end, from + BLOCK_BYTES));
      memory = block.buffer;
      shift = block.byteOffset - from;
      blockEnd = from + block.length;
    }
    batch.succeed(request, viewOf(memory!, from + shift, until - from));
  }
}

/** The bytes from `from` on, at most a block of them, in memory of their own. */
export function copyOfRun(bytes: Buffer, from: number, end: number): Buffer {
  const block = allocateValue(end - from);
  bytes.copy(block, 0, from, end);
  return block;
}

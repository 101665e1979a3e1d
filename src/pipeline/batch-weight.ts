import type { Batch } from "../backends/batch.js";
import type { ValueCodec } from "../codec/value-codec.js";
import type { QueueLimits } from "./request-queue.js";

/** Batches above this may carry some milliseconds of codec work. */
const HEAVY_BATCH_BYTES = 128 * 1024;
const SMALL_BATCH_BYTES = 32 * 1024;
/** Compression of more than this in one go would hold up the event loop. */
const MAX_COMPRESSED_BYTES = 256 * 1024;

/** Whether it took long to encode: it was large, or much of it was compressed. */
export function isHeavy(batch: Batch, codec: ValueCodec | undefined): boolean {
  if (batch.bytes <= SMALL_BATCH_BYTES) return false;
  return batch.bytes > HEAVY_BATCH_BYTES || codec?.compresses(batch.bytes / batch.size) === true;
}

/** The bounds of one batch, lower where its values may be compressed. */
export function limitsOf(limits: QueueLimits, codec: ValueCodec | undefined): QueueLimits {
  const { maxSize, maxBytes, batchSize } = limits;
  if (codec?.compresses(maxBytes) !== true) return { maxSize, maxBytes, batchSize };
  return { maxSize, maxBytes: Math.min(maxBytes, MAX_COMPRESSED_BYTES), batchSize };
}

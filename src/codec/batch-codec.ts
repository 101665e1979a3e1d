import type { StateError } from "../core/errors.js";
import type { Value } from "../core/value.js";

export type CodecDirection = "encode" | "decode";

/**
 * Codec work of a whole batch, done elsewhere than on the calling thread. Pure: a job that a worker loses is done
 * again, so a caller never sees a worker fail.
 */
export interface BatchCodec {
  /**
   * Whether this batch is better given away. Cheap: asked for every batch that has codec work.
   * @param bytes of the values before compression (encode), or the raw lengths their headers claim (decode)
   */
  worthOffloading(direction: CodecDirection, values: number, bytes: number): boolean;
  /**
   * Whether this batch, not given away, would hold up the event loop, with what else was to be done in its turn. Asked
   * at most once for a batch.
   */
  worthSpreading(direction: CodecDirection, values: number, bytes: number): boolean;
  /**
   * The stored form of each value, in the order given: views into one slab that belongs to the caller. undefined: the
   * value's memory was transferred away, or has shrunk.
   */
  encode(values: readonly Value[], keyChecksums: Uint32Array): Promise<readonly (Buffer | undefined)[]>;
  /** The value behind each stored form, or why there is none. */
  decode(stored: readonly Buffer[], keyChecksums: Uint32Array): Promise<readonly (Buffer | StateError)[]>;
  /** What codec work on the calling thread took, so that the choice can learn. */
  observeInline(direction: CodecDirection, values: number, bytes: number, elapsedMs: number): void;
  /**
   * Operations that settled, so that the choice can compare throughputs. Called about once per batch.
   * @param isIdle nothing is pending any more
   */
  observeSettled(operations: number, isIdle: boolean): void;
  close(): Promise<void>;
}

import { BackendError, ConfigError } from "../../core/errors.js";
import { type Value, valueToBuffer } from "../../core/value.js";
import { type Compressor, MAX_COMPRESSIBLE_BYTES, oversizeBytes } from "./compressor.js";
import { corruptBody } from "./corrupt-body.js";
import { compressWithNativeZstd, hasNativeZstd, NATIVE_ZSTD_FROM_BYTES } from "./native-zstd.js";
import { zstdContentSize } from "./zstd-frame.js";
import { ZstdInstance } from "./zstd-instance.js";

export const DEFAULT_ZSTD_LEVEL = 1;
const MAX_LEVEL = 19;
/** A block of a frame takes four bytes at least and gives 128 KiB at most. */
const MIN_BLOCK_BYTES = 4;
const MAX_BLOCK_RAW_BYTES = 128 * 1024;
/** WebAssembly memory never shrinks, so an instance that had to grow for a huge value is dropped after it. */
const KEPT_MEMORY_BYTES = 64 * 1024 * 1024;

/** Zstandard frames that say their content's size, so any other reader takes them too. */
export class ZstdCompressor implements Compressor {
  readonly name = "zstd";
  lastRawBytes = 0;
  readonly #level: number;
  #instance: ZstdInstance | undefined;

  /** @throws ConfigError for a level that is not a whole number from 1 to 19: the codec itself would take anything */
  constructor(level = DEFAULT_ZSTD_LEVEL) {
    if (!Number.isInteger(level) || level < 1 || level > MAX_LEVEL) {
      throw new ConfigError(`compression.level must be a whole number from 1 to ${MAX_LEVEL}, not ${level}`, {
        reason: "ERR_CONFIG",
      });
    }
    this.#level = level;
  }

  prepare(): void {
    this.#instance ??= new ZstdInstance();
  }

  compressInto(value: Value, target: Buffer, at: number, limit: number): number {
    this.lastRawBytes = oversizeBytes(value);
    if (this.lastRawBytes >= 0) return -1;
    const isNative = hasNativeZstd && value.length >= NATIVE_ZSTD_FROM_BYTES;
    if (isNative) return this.#compressNatively(value, target, at, limit);
    const instance = this.#takeInstance();
    const end = instance.compressInto(value, this.#level, target, at, limit);
    this.lastRawBytes = instance.lastRawBytes;
    this.#returnInstance(instance);
    return end;
  }

  decompress(source: Uint8Array, start: number, end: number, rawBytes: number): Buffer {
    const contentSize = zstdContentSize(source, start, end);
    if (contentSize !== rawBytes) throw corruptBody("zstd", `the frame holds ${contentSize} bytes of ${rawBytes}`);
    if (rawBytes > MAX_COMPRESSIBLE_BYTES || rawBytes > ((end - start) / MIN_BLOCK_BYTES) * MAX_BLOCK_RAW_BYTES) {
      throw corruptBody("zstd", `a frame of ${end - start} bytes cannot hold ${rawBytes}`);
    }
    const instance = this.#takeInstance();
    const raw = instance.decompress(source, start, end, rawBytes);
    this.#returnInstance(instance);
    if (raw === undefined) throw corruptBody("zstd", `not a frame of ${rawBytes} bytes`);
    return raw;
  }

  #compressNatively(value: Value, target: Buffer, at: number, limit: number): number {
    const bytes = valueToBuffer(value);
    this.lastRawBytes = bytes.length;
    const frame = compressWithNativeZstd(bytes, this.#level);
    if (frame.length >= limit) return -1;
    if (zstdContentSize(frame, 0, frame.length) !== bytes.length) {
      throw new BackendError("node:zlib made a zstd frame without its content size, which could not be read back");
    }
    target.set(frame, at);
    return at + frame.length;
  }

  /** An instance that is not returned, because the call threw, is never used again. */
  #takeInstance(): ZstdInstance {
    const instance = this.#instance ?? new ZstdInstance();
    this.#instance = undefined;
    return instance;
  }

  #returnInstance(instance: ZstdInstance): void {
    if (instance.memoryBytes <= KEPT_MEMORY_BYTES) this.#instance = instance;
  }
}

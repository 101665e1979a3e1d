import type { Value } from "../../core/value.js";
import { KernelInstance, kernelModule } from "../kernel/kernel-instance.js";
import { type Compressor, type FrameSealer, MAX_COMPRESSIBLE_BYTES, oversizeBytes } from "./compressor.js";
import { corruptBody } from "./corrupt-body.js";
import type { Lz4Instance } from "./lz4-instance.js";
import { PackagedLz4Instance } from "./lz4-package.js";

/** One byte of a block stands for at most 255 of its text; a larger claim is refused before anything is allocated. */
const MAX_EXPANSION = 255;
/** WebAssembly memory never shrinks, so an instance that had to grow for a huge value is dropped after it. */
const KEPT_MEMORY_BYTES = 32 * 1024 * 1024;
/** Larger frames are opened step by step, so that a length nobody has checked yet costs no memory. */
const MAX_OPENED_AT_ONCE_BYTES = 512 * 1024;

/** LZ4 blocks by the engine's own kernel, or by lz4-wasm where that cannot run: both read what the other writes. */
export class Lz4Compressor implements Compressor, FrameSealer {
  readonly name = "lz4";
  lastRawBytes = 0;
  readonly #usesKernel: boolean;
  #instance: Lz4Instance | undefined;
  #sealing: KernelInstance | undefined;

  constructor(from: "kernel" | "package" = kernelModule() === undefined ? "package" : "kernel") {
    this.#usesKernel = from === "kernel";
  }

  prepare(): void {
    this.#instance ??= this.#newInstance();
  }

  compressInto(value: Value, target: Buffer, at: number, limit: number): number {
    this.lastRawBytes = oversizeBytes(value);
    if (this.lastRawBytes >= 0) return -1;
    const instance = this.#takeInstance();
    const end = instance.compressInto(value, target, at, limit);
    this.lastRawBytes = instance.lastRawBytes;
    this.#returnInstance(instance);
    return end;
  }

  decompress(source: Uint8Array, start: number, end: number, rawBytes: number): Buffer {
    if (rawBytes > MAX_COMPRESSIBLE_BYTES || rawBytes > (end - start) * MAX_EXPANSION) {
      throw corruptBody("lz4", `a block of ${end - start} bytes cannot hold ${rawBytes}`);
    }
    const instance = this.#takeInstance();
    const raw = instance.decompress(source, start, end, rawBytes);
    this.#returnInstance(instance);
    if (raw === undefined) throw corruptBody("lz4", `not a block of ${rawBytes} bytes`);
    return raw;
  }

  sealer(): FrameSealer | undefined {
    return this.#usesKernel ? this : undefined;
  }

  sealInto(value: Value, target: Buffer, at: number, limit: number, seed: number): number {
    this.lastRawBytes = oversizeBytes(value);
    if (this.lastRawBytes >= 0) return -1;
    const instance = this.#sealing ?? new KernelInstance();
    this.#sealing = undefined;
    const end = instance.sealInto(value, target, at, limit, seed);
    this.lastRawBytes = instance.lastRawBytes;
    if (instance.memoryBytes <= KEPT_MEMORY_BYTES) this.#sealing = instance;
    return end;
  }

  openFrame(source: Uint8Array, start: number, end: number, rawBytes: number, seed: number): Buffer | undefined {
    if (end - start > MAX_OPENED_AT_ONCE_BYTES || rawBytes > MAX_OPENED_AT_ONCE_BYTES) return undefined;
    const instance = this.#sealing ?? new KernelInstance();
    this.#sealing = undefined;
    const raw = instance.openFrame(source, start, end, rawBytes, seed);
    this.#sealing = instance;
    return raw;
  }

  #newInstance(): Lz4Instance {
    return this.#usesKernel ? new KernelInstance() : new PackagedLz4Instance();
  }

  /** An instance that is not returned, because the call threw, is never used again. */
  #takeInstance(): Lz4Instance {
    const instance = this.#instance ?? this.#newInstance();
    this.#instance = undefined;
    return instance;
  }

  #returnInstance(instance: Lz4Instance): void {
    if (instance.memoryBytes <= KEPT_MEMORY_BYTES) this.#instance = instance;
  }
}

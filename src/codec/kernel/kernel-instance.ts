import { crc32 } from "../../core/crc32.js";
import type { Value } from "../../core/value.js";
import { allocateValue } from "../../core/value-memory.js";
import { FRAME_HEADER_BYTES } from "../compression/compressor.js";
import { corruptBody } from "../compression/corrupt-body.js";
import type { Lz4Instance } from "../compression/lz4-instance.js";
import {
  compileWasm,
  instantiateWasm,
  isWasmTrap,
  type WasmMemory,
  type WasmModule,
} from "../compression/packaged-wasm.js";
import { KERNEL_BASE64 } from "./kernel-bytes.js";

/*
 * The engine's own WebAssembly (assembly/*.as): LZ4 blocks, CRC-32, and both together for a whole stored value. Strings
 * are encoded straight into its memory, results are copied once into the caller's slab. Every region is sized here
 * before the call; within it the module checks for itself.
 */
interface KernelExports {
  readonly memory: WasmMemory;
  crc32(at: number, bytes: number, seed: number): number;
  compressBlock(input: number, bytes: number, output: number): number;
  decompressBlock(input: number, bytes: number, output: number, rawBytes: number): number;
  sealFrame(
    ...args: [input: number, bytes: number, frame: number, limit: number, checksumUpTo: number, seed: number]
  ): number;
  openFrame(frame: number, frameBytes: number, output: number, rawBytes: number, seed: number): number;
}

/** Behind the tables, with room for the bytes that a comparison looks back on. */
const INPUT = 33 * 1024;
/** What blocks of 16 bytes may run over behind each region. */
const SLACK_BYTES = 64;
const PAGE_BYTES = 65_536;
const CHECKSUM_AT = 2;
const COVERED_FROM = 6;
/** From here on zlib is faster than the kernel's tables, the call into it included (`bench/micro`). */
const CHECKSUM_UP_TO_BYTES = 1536;
/** Longer strings are not given room for three bytes a unit before it shows that they need it. */
const LONG_TEXT_UNITS = 65_536;
const MAX_UTF8_BYTES_PER_UNIT = 3;
const MAX_UTF8_BYTES_PER_CHARACTER = 4;

let compiled: { readonly module: WasmModule | undefined } | undefined;

/** Undefined where the kernel cannot run; found out once. */
export function kernelModule(): WasmModule | undefined {
  compiled ??= { module: compileWasm(Buffer.from(KERNEL_BASE64, "base64")) };
  return compiled.module;
}

export class KernelInstance implements Lz4Instance {
  lastRawBytes = 0;
  readonly #wasm: KernelExports;
  #bytes: Buffer;

  constructor() {
    this.#wasm = instantiateWasm<KernelExports>(kernelModule()!, {});
    this.#bytes = Buffer.from(this.#wasm.memory.buffer);
  }

  get memoryBytes(): number {
    return this.#bytes.length;
  }

  compressInto(value: Value, target: Buffer, at: number, limit: number): number {
    const output = this.#takeValue(value);
    const blockBytes = this.#wasm.compressBlock(INPUT, this.lastRawBytes, output);
    if (blockBytes >= limit) return -1;
    target.set(this.#view(output, blockBytes), at);
    return at + blockBytes;
  }

  decompress(source: Uint8Array, start: number, end: number, rawBytes: number): Buffer | undefined {
    const output = this.#takeStored(source, start, end, rawBytes);
    try {
      if (this.#wasm.decompressBlock(INPUT, end - start, output, rawBytes) < 0) return undefined;
    } catch (cause) {
      throw isWasmTrap(cause) ? corruptBody("lz4", "decoder stopped", cause) : cause;
    }
    return this.#copyOf(output, rawBytes);
  }

  sealInto(value: Value, target: Buffer, at: number, limit: number, seed: number): number {
    const frame = this.#takeValue(value);
    const bytes = this.lastRawBytes;
    const frameBytes = this.#wasm.sealFrame(INPUT, bytes, frame, limit, CHECKSUM_UP_TO_BYTES, seed | 0);
    if (frameBytes < 0) return -1;
    const end = at + frameBytes;
    target.set(this.#view(frame, frameBytes), at);
    if (frameBytes > CHECKSUM_UP_TO_BYTES) {
      target.writeUInt32LE(crc32(target, at + COVERED_FROM, end, seed), at + CHECKSUM_AT);
    }
    return end;
  }

  openFrame(source: Uint8Array, start: number, end: number, rawBytes: number, seed: number): Buffer | undefined {
    const bytes = end - start;
    if (bytes > CHECKSUM_UP_TO_BYTES) {
      const c = start + CHECKSUM_AT;
      const stored = (source[c]! | (source[c + 1]! << 8) | (source[c + 2]! << 16) | (source[c + 3]! << 24)) >>> 0;
      if (crc32(source, start + COVERED_FROM, end, seed) !== stored) return undefined;
      return this.decompress(source, start + FRAME_HEADER_BYTES, end, rawBytes);
    }
    const output = this.#takeStored(source, start, end, rawBytes);
    if (this.#wasm.openFrame(INPUT, bytes, output, rawBytes, seed | 0) < 0) return undefined;
    return this.#copyOf(output, rawBytes);
  }

  /** The CRC-32 of bytes that have to be copied here first; for tests and measurements. */
  crc32(bytes: Uint8Array, seed: number): number {
    this.#reserve(INPUT + bytes.length + SLACK_BYTES);
    this.#bytes.set(bytes, INPUT);
    return this.#wasm.crc32(INPUT, bytes.length, seed | 0) >>> 0;
  }

  /** Puts the value's bytes at INPUT, leaves their number in `lastRawBytes`, and returns where the result may go. */
  #takeValue(value: Value): number {
    if (typeof value === "string") {
      this.lastRawBytes = this.#takeText(value);
    } else {
      this.#reserveForResult(value.length);
      this.#bytes.set(value, INPUT);
      this.lastRawBytes = value.length;
    }
    return regionAfter(INPUT + this.lastRawBytes);
  }

  /** Returns its bytes. To measure long text first takes a tenth of the time that compressing it does. */
  #takeText(text: string): number {
    if (text.length <= LONG_TEXT_UNITS) {
      this.#reserveForResult(text.length * MAX_UTF8_BYTES_PER_UNIT);
      return this.#bytes.write(text, INPUT);
    }
    this.#reserveForResult(text.length);
    const bytes = this.#bytes.write(text, INPUT);
    const isWhole = this.#bytes.length - INPUT - bytes >= MAX_UTF8_BYTES_PER_CHARACTER;
    this.#reserveForResult(isWhole ? bytes : Buffer.byteLength(text));
    return isWhole ? bytes : this.#bytes.write(text, INPUT);
  }

  /** Room for so many bytes and the longest frame they can become, were none of them found again. */
  #reserveForResult(bytes: number): void {
    this.#reserve(regionAfter(INPUT + bytes) + FRAME_HEADER_BYTES + bytes + Math.ceil(bytes / 255) + 16);
  }

  #takeStored(source: Uint8Array, start: number, end: number, rawBytes: number): number {
    const output = regionAfter(INPUT + end - start);
    this.#reserve(output + rawBytes);
    this.#bytes.set(new Uint8Array(source.buffer, source.byteOffset + start, end - start), INPUT);
    return output;
  }

  #copyOf(at: number, bytes: number): Buffer {
    const copy = allocateValue(bytes);
    copy.set(this.#view(at, bytes), 0);
    return copy;
  }

  #view(at: number, bytes: number): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, at, bytes);
  }

  #reserve(end: number): void {
    const missing = end + SLACK_BYTES - this.#bytes.length;
    if (missing <= 0) return;
    this.#wasm.memory.grow(Math.ceil(missing / PAGE_BYTES));
    this.#bytes = Buffer.from(this.#wasm.memory.buffer);
  }
}

function regionAfter(end: number): number {
  return (end + SLACK_BYTES + 15) & ~15;
}

import type { Value } from "../../core/value.js";
import { type Compressor, MAX_COMPRESSIBLE_BYTES, oversizeBytes } from "./compressor.js";
import { corruptBody } from "./corrupt-body.js";
import { compilePackagedWasm, instantiateWasm, isWasmTrap, type WasmMemory, type WasmModule } from "./packaged-wasm.js";

/*
 * LZ4 block format by the WebAssembly of lz4-wasm. Its own JavaScript is a bundler build that Node.js cannot
 * import, so this is glue of our own, and a faster one: a string is encoded straight into the module's memory, the
 * result is copied straight into the caller's slab, and the place for results on its stack is taken once.
 *
 * lz4-wasm puts the raw length in four bytes before the block and believes whatever it finds there. The envelope
 * has that length already, so the prefix is dropped when storing and supplied, checked, when reading: what is
 * stored is a plain LZ4 block.
 */
interface Lz4Exports {
  readonly memory: WasmMemory;
  /** Both take ownership of (and free) the input, and write [pointer, length, error, failed] at `result`. */
  compress(result: number, input: number, inputBytes: number): void;
  decompress(result: number, input: number, inputBytes: number): void;
  __wbindgen_add_to_stack_pointer(bytes: number): number;
  __wbindgen_malloc(bytes: number): number;
  __wbindgen_free(pointer: number, bytes: number): void;
}

const LENGTH_PREFIX_BYTES = 4;
const RESULT_BYTES = 16;
/** One byte of a block stands for at most 255 of its text; a larger claim is refused before anything is allocated. */
const MAX_EXPANSION = 255;
/** WebAssembly memory never shrinks, so an instance that had to grow for a huge value is dropped after it. */
const KEPT_MEMORY_BYTES = 32 * 1024 * 1024;
const MAX_UTF8_BYTES_PER_UNIT = 3;

let compiledModule: WasmModule | undefined;

export class Lz4Compressor implements Compressor {
  readonly name = "lz4";
  lastRawBytes = 0;
  #instance: Lz4Instance | undefined;

  prepare(): void {
    this.#instance ??= new Lz4Instance();
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

  /** An instance that is not returned, because the call threw, is never used again. */
  #takeInstance(): Lz4Instance {
    const instance = this.#instance ?? new Lz4Instance();
    this.#instance = undefined;
    return instance;
  }

  #returnInstance(instance: Lz4Instance): void {
    if (instance.memoryBytes <= KEPT_MEMORY_BYTES) this.#instance = instance;
  }
}

class Lz4Instance {
  lastRawBytes = 0;
  readonly #wasm: Lz4Exports;
  readonly #result: number;
  #bytes: Buffer;
  #words: Int32Array;

  constructor() {
    compiledModule ??= compilePackagedWasm("lz4", (resolve) => resolve("lz4-wasm/lz4_wasm_bg.wasm"));
    this.#wasm = instantiateWasm<Lz4Exports>(compiledModule, {
      // Asked for the text of a decoding error. The engine has its own words, and throwing here would leak the input.
      "./lz4_wasm_bg.js": { __wbindgen_string_new: () => 0 },
    });
    this.#result = this.#wasm.__wbindgen_add_to_stack_pointer(-RESULT_BYTES);
    this.#bytes = Buffer.from(this.#wasm.memory.buffer);
    this.#words = new Int32Array(this.#wasm.memory.buffer);
  }

  get memoryBytes(): number {
    return this.#bytes.length;
  }

  compressInto(value: Value, target: Buffer, at: number, limit: number): number {
    const wasm = this.#wasm;
    const isText = typeof value === "string";
    const input = wasm.__wbindgen_malloc(value.length * (isText ? MAX_UTF8_BYTES_PER_UNIT : 1));
    this.#followMemory();
    if (isText) {
      this.lastRawBytes = this.#bytes.write(value, input);
    } else {
      this.#bytes.set(value, input);
      this.lastRawBytes = value.length;
    }
    wasm.compress(this.#result, input, this.lastRawBytes);
    this.#followMemory();
    const output = this.#words[this.#result >> 2]!;
    const outputBytes = this.#words[(this.#result >> 2) + 1]!;
    const compressedBytes = outputBytes - LENGTH_PREFIX_BYTES;
    const fits = compressedBytes < limit;
    if (fits) this.#bytes.copy(target, at, output + LENGTH_PREFIX_BYTES, output + outputBytes);
    wasm.__wbindgen_free(output, outputBytes);
    return fits ? at + compressedBytes : -1;
  }

  /** Undefined if the block is refused in an orderly way, after which this instance is as good as before. */
  decompress(source: Uint8Array, start: number, end: number, rawBytes: number): Buffer | undefined {
    const wasm = this.#wasm;
    const inputBytes = LENGTH_PREFIX_BYTES + end - start;
    const input = wasm.__wbindgen_malloc(inputBytes);
    this.#followMemory();
    this.#bytes.writeUInt32LE(rawBytes, input);
    this.#bytes.set(source.subarray(start, end), input + LENGTH_PREFIX_BYTES);
    try {
      wasm.decompress(this.#result, input, inputBytes);
    } catch (cause) {
      throw isWasmTrap(cause) ? corruptBody("lz4", "decoder stopped", cause) : cause;
    }
    this.#followMemory();
    const word = this.#result >> 2;
    if (this.#words[word + 3] !== 0) return undefined;
    const output = this.#words[word]!;
    const outputBytes = this.#words[word + 1]!;
    let raw: Buffer | undefined;
    if (outputBytes === rawBytes) {
      raw = Buffer.allocUnsafe(rawBytes);
      this.#bytes.copy(raw, 0, output, output + outputBytes);
    }
    wasm.__wbindgen_free(output, outputBytes);
    return raw;
  }

  /** Growing the memory detaches the views of the old one, which then have no length. */
  #followMemory(): void {
    if (this.#bytes.length !== 0) return;
    this.#bytes = Buffer.from(this.#wasm.memory.buffer);
    this.#words = new Int32Array(this.#wasm.memory.buffer);
  }
}

import type { Value } from "../../core/value.js";
import { allocateValue } from "../../core/value-memory.js";
import { corruptBody } from "./corrupt-body.js";
import type { Lz4Instance } from "./lz4-instance.js";
import { compilePackagedWasm, instantiateWasm, isWasmTrap, type WasmMemory, type WasmModule } from "./packaged-wasm.js";

/*
 * LZ4 block format by the WebAssembly of lz4-wasm, for wherever the engine's own kernel cannot be instantiated. That
 * kernel takes half the time at every size from 256 B to 256 KiB (`bench/micro`), lz4-wasm makes smaller blocks
 * and asks for no SIMD. Its own JavaScript is a bundler build that Node.js cannot
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
const MAX_UTF8_BYTES_PER_UNIT = 3;

let compiledModule: WasmModule | undefined;

export class PackagedLz4Instance implements Lz4Instance {
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
      raw = allocateValue(rawBytes);
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

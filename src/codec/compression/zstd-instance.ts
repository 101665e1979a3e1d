import { dirname, join } from "node:path";
import { BackendError } from "../../core/errors.js";
import { allocateValue } from "../../core/value-memory.js";
import { corruptBody } from "./corrupt-body.js";
import { compilePackagedWasm, instantiateWasm, isWasmTrap, type WasmMemory, type WasmModule } from "./packaged-wasm.js";

/*
 * The WebAssembly of @bokuweb/zstd-wasm without its JavaScript, which makes a context, allocates and frees both
 * buffers in every call, cannot be used before an await, and is a singleton that one oversize input spoils for good.
 * Here the contexts and buffers of an instance are kept, and an instance is a thing one can throw away.
 *
 * The build's exports carry minified names. They are mapped in one place, belong to the exact version this project
 * pins, and a wrong one fails the codec's first test.
 */
interface MinifiedExports {
  readonly f: WasmMemory;
  readonly g: () => void;
  readonly i: (rawBytes: number) => number;
  readonly j: () => number;
  readonly l: ZstdCall<[dictionary: number, dictionaryBytes: number, level: number]>;
  readonly n: () => number;
  readonly q: ZstdCall<[dictionary: number, dictionaryBytes: number]>;
  readonly s: (bytes: number) => number;
  readonly t: (pointer: number) => void;
}
type ZstdCall<Rest extends number[]> = (
  context: number,
  output: number,
  outputBytes: number,
  input: number,
  inputBytes: number,
  ...rest: Rest
) => number;

const WASM_PAGE_BYTES = 65_536;
/** Level 19 of a 64 MiB value takes about a third of it. */
const MAX_MEMORY_BYTES = 1024 * 1024 * 1024;
const INITIAL_REGION_BYTES = 32 * 1024;
const NO_DICTIONARY = 0;
const MAX_UTF8_BYTES_PER_UNIT = 3;

let compiledModule: WasmModule | undefined;

export class ZstdInstance {
  lastRawBytes = 0;
  readonly #wasm: MinifiedExports;
  readonly #compressionContext: number;
  readonly #decompressionContext: number;
  #bytes: Buffer;
  #input = 0;
  #inputCapacity = 0;
  #output = 0;
  #outputCapacity = 0;

  constructor() {
    compiledModule ??= compilePackagedWasm("zstd", (resolve) =>
      join(dirname(resolve("@bokuweb/zstd-wasm")), "zstd.wasm"),
    );
    const stop = (): never => {
      throw new BackendError("zstd ended its own process");
    };
    this.#wasm = instantiateWasm<MinifiedExports>(compiledModule, {
      a: { a: stop, b: stop, c: stop, d: () => 0, e: (bytes) => this.#growTo(bytes! >>> 0) },
    });
    this.#wasm.g();
    this.#bytes = Buffer.from(this.#wasm.f.buffer);
    this.#compressionContext = this.#allocated(this.#wasm.j());
    this.#decompressionContext = this.#allocated(this.#wasm.n());
  }

  get memoryBytes(): number {
    return this.#wasm.f.buffer.byteLength;
  }

  /** As `Compressor.compressInto`, with the level. */
  compressInto(value: string | Uint8Array, level: number, target: Buffer, at: number, limit: number): number {
    const isText = typeof value === "string";
    this.#reserveInput(value.length * (isText ? MAX_UTF8_BYTES_PER_UNIT : 1));
    if (isText) {
      this.lastRawBytes = this.#bytes.write(value, this.#input);
    } else {
      this.#bytes.set(value, this.#input);
      this.lastRawBytes = value.length;
    }
    this.#reserveOutput(this.#wasm.i(this.lastRawBytes));
    const size = this.#wasm.l(
      this.#compressionContext,
      this.#output,
      this.#outputCapacity,
      this.#input,
      this.lastRawBytes,
      NO_DICTIONARY,
      0,
      level,
    );
    if (size < 0) throw new BackendError(`zstd could not compress ${this.lastRawBytes} bytes (code ${size})`);
    if (size >= limit) return -1;
    this.#followMemory();
    this.#bytes.copy(target, at, this.#output, this.#output + size);
    return at + size;
  }

  /** Undefined if the frame is refused in an orderly way, after which this instance is as good as before. */
  decompress(source: Uint8Array, start: number, end: number, rawBytes: number): Buffer | undefined {
    this.#reserveInput(end - start);
    this.#bytes.set(source.subarray(start, end), this.#input);
    this.#reserveOutput(rawBytes);
    let size: number;
    try {
      size = this.#wasm.q(
        this.#decompressionContext,
        this.#output,
        rawBytes,
        this.#input,
        end - start,
        NO_DICTIONARY,
        0,
      );
    } catch (cause) {
      throw isWasmTrap(cause) ? corruptBody("zstd", "decoder stopped", cause) : cause;
    }
    if (size !== rawBytes) return undefined;
    this.#followMemory();
    const raw = allocateValue(rawBytes);
    this.#bytes.copy(raw, 0, this.#output, this.#output + rawBytes);
    return raw;
  }

  #reserveInput(bytes: number): void {
    if (bytes > this.#inputCapacity) {
      if (this.#input !== 0) this.#wasm.t(this.#input);
      this.#inputCapacity = regionBytesFor(bytes);
      this.#input = this.#allocated(this.#wasm.s(this.#inputCapacity));
    }
    this.#followMemory();
  }

  #reserveOutput(bytes: number): void {
    if (bytes <= this.#outputCapacity) return;
    if (this.#output !== 0) this.#wasm.t(this.#output);
    this.#outputCapacity = regionBytesFor(bytes);
    this.#output = this.#allocated(this.#wasm.s(this.#outputCapacity));
  }

  #allocated(pointer: number): number {
    if (pointer === 0) throw new BackendError("zstd is out of memory");
    return pointer;
  }

  #growTo(bytes: number): number {
    if (bytes > MAX_MEMORY_BYTES) return 0;
    const memory = this.#wasm.f;
    // A fifth more than asked for, as the package's own loader does, so that growth in small steps stays rare.
    const wanted = Math.min(MAX_MEMORY_BYTES, Math.max(bytes, memory.buffer.byteLength * 1.2));
    try {
      memory.grow(Math.ceil((wanted - memory.buffer.byteLength) / WASM_PAGE_BYTES));
      return 1;
    } catch {
      return 0; // The engine has no more to give: zstd's allocation fails, and that is reported.
    }
  }

  /** Growing the memory detaches the view of the old one, which then has no length. */
  #followMemory(): void {
    if (this.#bytes.length === 0) this.#bytes = Buffer.from(this.#wasm.f.buffer);
  }
}

function regionBytesFor(bytes: number): number {
  return Math.max(INITIAL_REGION_BYTES, 2 ** Math.ceil(Math.log2(bytes)));
}

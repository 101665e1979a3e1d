import { instantiateWasm, type WasmMemory } from "../compression/packaged-wasm.js";
import { kernelModule } from "./kernel-instance.js";

/*
 * Outgoing bytes of a batch lie where the kernel sees them, so that the checksums of all its values are made in one call:
 * in JavaScript the checksum of a value of 100 bytes was a tenth of all that an operation costs, and a call for each
 * would cost a third of what it saves. The memory is of fixed size, because growing it would detach what a socket is
 * still writing from; whoever comes when all of it is taken does without.
 */

export const REGION_BYTES = 256 * 1024;
const REGIONS = 16;
const PAGE_BYTES = 65_536;
/** Tables of the kernel. */
const FIRST_REGION_AT = PAGE_BYTES;
const NOTE_WORDS = 4;
const NOTES = 1024;
const NOTES_BYTES = NOTES * NOTE_WORDS * 4;
const STRIDE_BYTES = REGION_BYTES + NOTES_BYTES;

type SealFrames = (notes: number, count: number, base: number, seed: number) => void;

interface Kernel {
  readonly memory: WasmMemory;
  readonly sealFrames: SealFrames;
}

interface SharedMemory {
  readonly buffer: ArrayBuffer;
  readonly sealFrames: SealFrames;
  /** Where the regions begin that nobody has. */
  readonly free: number[];
}

let shared: SharedMemory | undefined;
let isAbsent = false;

const abandoned = new FinalizationRegistry<number>((at) => shared!.free.push(at));

function sharedMemory(): SharedMemory | undefined {
  if (shared !== undefined || isAbsent) return shared;
  const module = kernelModule();
  if (module === undefined) {
    isAbsent = true;
    return undefined;
  }
  const { memory, sealFrames } = instantiateWasm<Kernel>(module, {});
  const bytes = FIRST_REGION_AT + REGIONS * STRIDE_BYTES;
  memory.grow(Math.ceil((bytes - memory.buffer.byteLength) / PAGE_BYTES));
  const free = Array.from({ length: REGIONS }, (_, index) => FIRST_REGION_AT + (REGIONS - 1 - index) * STRIDE_BYTES);
  shared = { buffer: memory.buffer as ArrayBuffer, sealFrames, free };
  return shared;
}

/** Room for the bytes of a batch, and notes of the frames among them that lack their checksums. */
export class SealingRegion {
  readonly bytes: Buffer;
  readonly #sealFrames: SealFrames;
  readonly #base: number;
  readonly #notesAt: number;
  readonly #notes: Int32Array;
  readonly #seed: number;
  #words = 0;

  /** Undefined where the kernel cannot run, or all regions are taken. @param seed CRC-32 of what precedes every key */
  static take(seed: number): SealingRegion | undefined {
    const memory = sharedMemory();
    const at = memory?.free.pop();
    return memory === undefined || at === undefined ? undefined : new SealingRegion(memory, at, seed);
  }

  private constructor({ buffer, sealFrames }: SharedMemory, at: number, seed: number) {
    this.#sealFrames = sealFrames;
    this.#notesAt = at;
    this.#notes = new Int32Array(buffer, at, NOTES * NOTE_WORDS);
    this.#base = at + NOTES_BYTES;
    this.bytes = Buffer.from(buffer, this.#base, REGION_BYTES);
    this.#seed = seed | 0;
    // A connection that breaks leaves its slabs to the collector.
    abandoned.register(this, at);
  }

  /** A frame that is to be sealed, by its place and its key's in `bytes`. */
  note(keyAt: number, keyBytes: number, frameAt: number, frameBytes: number): void {
    if (this.#words === this.#notes.length) this.seal();
    const notes = this.#notes;
    const word = this.#words;
    notes[word] = keyAt;
    notes[word + 1] = keyBytes;
    notes[word + 2] = frameAt;
    notes[word + 3] = frameBytes;
    this.#words = word + NOTE_WORDS;
  }

  /** Puts the checksums into all frames that were noted. */
  seal(): void {
    if (this.#words === 0) return;
    this.#sealFrames(this.#notesAt, this.#words / NOTE_WORDS, this.#base, this.#seed);
    this.#words = 0;
  }

  /** Forgets what was noted. */
  reset(): void {
    this.#words = 0;
  }
}

import { instantiateWasm, type WasmMemory } from "../compression/packaged-wasm.js";
import { kernelModule } from "./kernel-instance.js";

/*
 * Memory of the kernel that sockets read into and write from, so that what concerns all values of a batch is one call on
 * the bytes where they lie: in JavaScript the checksum of a value of 100 bytes was a tenth of all that an operation
 * costs, and a call for each value would cost a third of what it saves. It is of fixed size, because growing it would
 * detach what a socket is still using; whoever comes when all of it is taken does without.
 */
const PAGE_BYTES = 65_536;
/** Tables of the kernel. */
const FIRST_REGION_AT = PAGE_BYTES;
/** Address space: what is never used is never backed by memory. */
const MEMORY_BYTES = 36 * 1_048_576;
/** Blocks of 16 bytes may run over the end of what a call is given. */
const SLACK_BYTES = 64;

export interface SharedKernel {
  readonly memory: WasmMemory;
  sealFrames(notes: number, count: number, base: number, seed: number): void;
  readonly scanValues: ScanValues;
  readonly scanRows: ScanValues;
  readonly writeKeys: WriteArguments;
  readonly writeEntries: WriteArguments;
}

export type ScanValues = (at: number, end: number, count: number, checksums: number, found: number) => number;

export type WriteArguments = (
  text: number,
  notes: number,
  count: number,
  out: number,
  prefix: number,
  prefixBytes: number,
  seed: number,
  head: number,
  headBytes: number,
) => number;

interface SharedMemory {
  readonly kernel: SharedKernel;
  readonly buffer: ArrayBuffer;
  /** Where the room begins that nobody has had yet. */
  next: number;
}

export interface Room {
  readonly kernel: SharedKernel;
  readonly buffer: ArrayBuffer;
  readonly at: number;
}

let shared: SharedMemory | null | undefined;

function sharedMemory(): SharedMemory | null {
  if (shared === undefined) shared = open();
  return shared;
}

function open(): SharedMemory | null {
  const module = kernelModule();
  if (module === undefined) return null;
  const kernel = instantiateWasm<SharedKernel>(module, {});
  kernel.memory.grow(Math.ceil((MEMORY_BYTES - kernel.memory.buffer.byteLength) / PAGE_BYTES));
  return { kernel, buffer: kernel.memory.buffer as ArrayBuffer, next: FIRST_REGION_AT };
}

/** Rooms of one size for one purpose; those whose holders are gone are given out again. */
export class Rooms {
  readonly #bytes: number;
  readonly #most: number;
  readonly #free: number[] = [];
  readonly #abandoned = new FinalizationRegistry<number>((at) => this.#free.push(at));
  #made = 0;

  constructor(bytes: number, most: number) {
    this.#bytes = bytes + SLACK_BYTES;
    this.#most = most;
  }

  /** Undefined where the kernel cannot run, or all rooms are taken. */
  take(): Room | undefined {
    const memory = sharedMemory();
    if (memory === null) return undefined;
    const at = this.#free.pop() ?? this.#make(memory);
    return at === undefined ? undefined : { kernel: memory.kernel, buffer: memory.buffer, at };
  }

  /** Has the room given out again once the holder is collected: a connection that breaks tells nobody. */
  giveBackWith(holder: object, room: Room): void {
    this.#abandoned.register(holder, room.at);
  }

  #make(memory: SharedMemory): number | undefined {
    const at = memory.next;
    const end = at + ((this.#bytes + 15) & ~15);
    if (this.#made === this.#most || end > memory.buffer.byteLength) return undefined;
    this.#made++;
    memory.next = end;
    return at;
  }
}

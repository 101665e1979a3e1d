import { Rooms, type SharedKernel, type WriteArguments } from "./shared-memory.js";

/** Keys and values written in one call at most. */
export const MOST_ENTRIES = 128;
/** UTF-16 units of text in one call at most: what it becomes stays in the cache of one core. */
export const MOST_TEXT_UNITS = 64 * 1024;
const WORDS_PER_ENTRY = 3;
const NOTES_BYTES = MOST_ENTRIES * WORDS_PER_ENTRY * 4;
/** Text that is not ASCII takes more bytes than units, and must be seen to: there is room for one character more. */
const TEXT_BYTES = MOST_TEXT_UNITS + 16;
const PREFIX_BYTES = 1024;
const HEAD_BYTES = 64;
/** Around a key and a value: `$`, at most ten digits and two line ends each, the value's header, a lifetime. */
const FRAMES_BYTES = 2 * 16 + 8 + 32;

/**
 * The text of many keys and values in one piece, from which the kernel makes the arguments of commands, headers and
 * checksums included, in one call. Handing each string over by itself cost more than all else that is done to encode it:
 * joined strings are taken apart and copied by the runtime in one call as well. There is one, because nothing is left in
 * it between two calls.
 */
export class ArgumentText {
  /** How many units and bytes long each key and value is, and each lifetime; see the kernel's bulk-arguments. */
  readonly notes: Int32Array;
  readonly #kernel: SharedKernel;
  readonly #notesAt: number;
  readonly #prefix: Buffer;
  readonly #prefixAt: number;
  readonly #head: Buffer;
  readonly #headAt: number;
  readonly #text: Buffer;
  readonly #textAt: number;
  #prefixNow: Uint8Array | undefined;
  #headNow: Uint8Array | undefined;

  /** Undefined where the kernel cannot run, or has no room left. */
  static shared(): ArgumentText | undefined {
    if (shared === undefined) {
      const room = rooms.take();
      shared = room === undefined ? null : new ArgumentText(room.kernel, room.buffer, room.at);
    }
    return shared ?? undefined;
  }

  private constructor(kernel: SharedKernel, buffer: ArrayBuffer, at: number) {
    this.#kernel = kernel;
    this.#notesAt = at;
    this.notes = new Int32Array(buffer, at, MOST_ENTRIES * WORDS_PER_ENTRY);
    this.#prefixAt = at + NOTES_BYTES;
    this.#prefix = Buffer.from(buffer, this.#prefixAt, PREFIX_BYTES);
    this.#headAt = this.#prefixAt + PREFIX_BYTES;
    this.#head = Buffer.from(buffer, this.#headAt, HEAD_BYTES);
    this.#textAt = this.#headAt + HEAD_BYTES;
    this.#text = Buffer.from(buffer, this.#textAt, TEXT_BYTES);
  }

  /** Whether keys with this prefix, in commands that begin with this, can be written here. */
  static fits(prefix: Uint8Array, head: Uint8Array | undefined): boolean {
    return prefix.length <= PREFIX_BYTES && (head === undefined || head.length <= HEAD_BYTES);
  }

  /** Room that arguments made of so much text take at most. */
  static bytesFor(units: number, entries: number, prefix: Uint8Array, head: Uint8Array | undefined): number {
    return units + entries * (FRAMES_BYTES + prefix.length + (head === undefined ? 0 : head.length));
  }

  /** False: it is not all ASCII, and nothing can be made of it here. */
  take(text: string, units: number): boolean {
    return this.#text.write(text, 0) === units;
  }

  /** @returns bytes written from the kernel's address `out` on; notes hold checksums now */
  writeKeys(count: number, out: number, prefix: Uint8Array, seed: number, head: Uint8Array | undefined): number {
    return this.#write(this.#kernel.writeKeys, count, out, prefix, seed, head);
  }

  /** @returns bytes written from the kernel's address `out` on */
  writeEntries(count: number, out: number, prefix: Uint8Array, seed: number, head: Uint8Array | undefined): number {
    return this.#write(this.#kernel.writeEntries, count, out, prefix, seed, head);
  }

  #write(
    write: WriteArguments,
    count: number,
    out: number,
    prefix: Uint8Array,
    seed: number,
    head: Uint8Array | undefined,
  ): number {
    if (this.#prefixNow !== prefix) {
      this.#prefix.set(prefix);
      this.#prefixNow = prefix;
    }
    if (head !== undefined && this.#headNow !== head) {
      this.#head.set(head);
      this.#headNow = head;
    }
    const headBytes = head === undefined ? 0 : head.length;
    const prefixAt = this.#prefixAt;
    return write(this.#textAt, this.#notesAt, count, out, prefixAt, prefix.length, seed, this.#headAt, headBytes) - out;
  }
}

const rooms = new Rooms(NOTES_BYTES + PREFIX_BYTES + HEAD_BYTES + TEXT_BYTES, 1);
let shared: ArgumentText | null | undefined;

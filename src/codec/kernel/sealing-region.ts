import { type Room, Rooms, type SharedKernel } from "./shared-memory.js";

export const SEALING_REGION_BYTES = 256 * 1024;
/** A connection with 1000 operations in flight has up to eleven batches on their way to the socket. */
const REGIONS = 64;
const NOTE_WORDS = 4;
const NOTES = 1024;
const NOTES_BYTES = NOTES * NOTE_WORDS * 4;

const rooms = new Rooms(SEALING_REGION_BYTES + NOTES_BYTES, REGIONS);

/** Room for the outgoing bytes of a batch, and notes of the frames among them that lack their checksums. */
export class SealingRegion {
  readonly bytes: Buffer;
  readonly #kernel: SharedKernel;
  readonly #base: number;
  readonly #notesAt: number;
  readonly #notes: Int32Array;
  readonly #seed: number;
  #words = 0;

  /** Undefined where the kernel cannot run, or all regions are taken. @param seed CRC-32 of what precedes every key */
  static take(seed: number): SealingRegion | undefined {
    const room = rooms.take();
    return room === undefined ? undefined : new SealingRegion(room, seed);
  }

  private constructor(room: Room, seed: number) {
    const { kernel, buffer, at } = room;
    this.#kernel = kernel;
    this.#notesAt = at;
    this.#notes = new Int32Array(buffer, at, NOTES * NOTE_WORDS);
    this.#base = at + NOTES_BYTES;
    this.bytes = Buffer.from(buffer, this.#base, SEALING_REGION_BYTES);
    this.#seed = seed | 0;
    rooms.giveBackWith(this, room);
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
    this.#kernel.sealFrames(this.#notesAt, this.#words / NOTE_WORDS, this.#base, this.#seed);
    this.#words = 0;
  }

  /** Where a byte of `bytes` is for the kernel. */
  addressOf(at: number): number {
    return this.#base + at;
  }

  /** Forgets what was noted. */
  reset(): void {
    this.#words = 0;
  }
}

import { ArgumentText, MOST_ENTRIES, MOST_TEXT_UNITS } from "../../../codec/kernel/argument-text.js";
import type { Request } from "../../request.js";

const LONGEST_PAUSE = 256;
/** Fewer keys cost less one by one than the call into the runtime that takes their text apart. */
const FEWEST_KEYS = 6;
const MAX_LIFETIME = 0x7fffffff;

/** Where arguments are written to, and what stands before every key. */
export interface ArgumentTarget {
  readonly prefix: Buffer;
  readonly prefixChecksum: number;
  /** Strings of so many UTF-16 units at most are stored as they are under a header with a checksum; -1: none. */
  readonly plainTextUnits: number;
  /** The kernel's address of the next byte; -1: there is no room for so many, or the kernel does not reach it. */
  addressFor(bytes: number): number;
  advance(bytes: number): void;
}

/**
 * Writes keys and values that follow each other all at once, as long as they are what nearly all are: ASCII, small,
 * strings. Each method returns the index of the first request it did not write, `from` if it wrote none; that one goes
 * the usual way, and may be followed by another run.
 */
export class ArgumentRuns {
  readonly #target: ArgumentTarget;
  readonly #text = ArgumentText.shared();
  /** Runs not tried because the last one was in vain; doubled each time, so that other text costs next to nothing. */
  #pause = 0;
  #nextPause = 1;

  constructor(target: ArgumentTarget) {
    this.#target = target;
  }

  /**
   * @param head what comes before each key
   * @param checksums receives the CRC-32 of each stored key, by the index of its request
   */
  keys(
    requests: readonly Request[],
    from: number,
    until: number,
    head: Buffer | undefined,
    checksums: Uint32Array | undefined,
  ): number {
    if (until - from < FEWEST_KEYS) return from;
    const text = this.#ready(head);
    if (text === undefined) return from;
    const { notes } = text;
    const last = Math.min(until, from + MOST_ENTRIES);
    let joined = "";
    let units = 0;
    let count = 0;
    for (let i = from; i < last; i++) {
      const request = requests[i]!;
      const keyUnits = request.keyUnits;
      if (units + keyUnits > MOST_TEXT_UNITS) break;
      joined += request.key;
      units += keyUnits;
      notes[count++] = keyUnits;
    }
    const address = this.#address(text, joined, units, count, head);
    if (address < 0) return from;
    const { prefix, prefixChecksum } = this.#target;
    this.#target.advance(text.writeKeys(count, address, prefix, prefixChecksum, head));
    if (checksums !== undefined) {
      for (let i = 0; i < count; i++) checksums[from + i] = notes[i]!;
    }
    return from + count;
  }

  /** @param head what comes before each entry; the lifetime stands between key and value where it is not 0 */
  entries(requests: readonly Request[], from: number, until: number, head: Buffer | undefined): number {
    const text = this.#ready(head);
    if (text === undefined) return from;
    const { notes } = text;
    const { plainTextUnits } = this.#target;
    const last = Math.min(until, from + MOST_ENTRIES);
    let joined = "";
    let units = 0;
    let count = 0;
    let word = 0;
    for (let i = from; i < last; i++) {
      const request = requests[i]!;
      const { value, keyUnits, valueUnits } = request;
      const lifetime = head === undefined ? 0 : request.ttlMs;
      if (typeof value !== "string" || valueUnits > plainTextUnits || lifetime > MAX_LIFETIME) break;
      const more = units + keyUnits + valueUnits;
      if (more > MOST_TEXT_UNITS) break;
      joined += request.key;
      joined += value;
      units = more;
      notes[word] = keyUnits;
      notes[word + 1] = valueUnits;
      notes[word + 2] = lifetime;
      word += 3;
      count++;
    }
    const address = this.#address(text, joined, units, count, head);
    if (address < 0) return from;
    const { prefix, prefixChecksum } = this.#target;
    this.#target.advance(text.writeEntries(count, address, prefix, prefixChecksum, head));
    return from + count;
  }

  #ready(head: Buffer | undefined): ArgumentText | undefined {
    if (this.#pause > 0) {
      this.#pause--;
      return undefined;
    }
    return ArgumentText.fits(this.#target.prefix, head) ? this.#text : undefined;
  }

  /** Where the text, taken over by now, is to be written; negative: it cannot be. */
  #address(text: ArgumentText, joined: string, units: number, count: number, head: Buffer | undefined): number {
    if (count === 0) return -1;
    const address = this.#target.addressFor(ArgumentText.bytesFor(units, count, this.#target.prefix, head));
    if (address < 0) return -1;
    if (text.take(joined, units)) {
      this.#nextPause = 1;
      return address;
    }
    this.#pause = this.#nextPause;
    this.#nextPause = Math.min(this.#nextPause * 2, LONGEST_PAUSE);
    return -1;
  }
}

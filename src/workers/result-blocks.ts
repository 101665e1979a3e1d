/** A value that its reader keeps for long keeps its whole block in memory: no more than docs/guarantees.md allows. */
const BLOCK_BYTES = 8192;
const ALONE_FROM_BYTES = BLOCK_BYTES / 2;

/** Gathers decoded values in the memory in which they travel to the calling thread. */
export class ResultBlocks {
  readonly #blocks: ArrayBuffer[] = [];
  #open: Buffer | undefined;
  #openIndex = 0;
  #used = 0;

  /** Keeps the value and writes [block, start, end] at `head[word]`. */
  add(value: Buffer, head: Uint32Array, word: number): void {
    const bytes = value.length;
    if (bytes >= ALONE_FROM_BYTES) {
      place(head, word, this.#blocks.push(ownMemory(value)) - 1, 0, bytes);
      return;
    }
    if (this.#open === undefined || this.#used + bytes > BLOCK_BYTES) {
      this.#open = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#openIndex = this.#blocks.push(this.#open.buffer as ArrayBuffer) - 1;
      this.#used = 0;
    }
    this.#open.set(value, this.#used);
    place(head, word, this.#openIndex, this.#used, this.#used + bytes);
    this.#used += bytes;
  }

  finish(): ArrayBuffer[] {
    if (this.#open !== undefined && this.#used < BLOCK_BYTES / 2) {
      this.#blocks[this.#openIndex] = this.#blocks[this.#openIndex]!.slice(0, this.#used);
    }
    return this.#blocks;
  }
}

function place(head: Uint32Array, word: number, ...[block, start, end]: [number, number, number]): void {
  head[word] = block;
  head[word + 1] = start;
  head[word + 2] = end;
}

/** The value's memory without neighbours, which would be moved along with it. */
function ownMemory(value: Buffer): ArrayBuffer {
  const memory = value.buffer as ArrayBuffer;
  if (memory.byteLength === value.length) {
    try {
      return structuredClone(memory, { transfer: [memory] });
    } catch {
      // Memory of a native codec may refuse to be moved, and a refusal while answering would end the thread.
    }
  }
  const copy = Buffer.allocUnsafeSlow(value.length);
  copy.set(value);
  return copy.buffer as ArrayBuffer;
}

/** A first-in-first-out queue over a circular array that doubles when full; no allocation per element. */
export class Ring<T> {
  #slots: (T | undefined)[];
  #mask: number;
  #head = 0;
  #size = 0;

  constructor(initialCapacity = 1024) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(2, initialCapacity)));
    this.#slots = new Array<T | undefined>(capacity).fill(undefined);
    this.#mask = capacity - 1;
  }

  get size(): number {
    return this.#size;
  }

  push(element: T): void {
    if (this.#size > this.#mask) this.#grow();
    this.#slots[(this.#head + this.#size) & this.#mask] = element;
    this.#size++;
  }

  /** Puts elements, in their order, before everything that waits. */
  unshiftAll(elements: readonly T[]): void {
    while (this.#size + elements.length > this.#mask + 1) this.#grow();
    this.#head = (this.#head - elements.length) & this.#mask;
    for (let i = 0; i < elements.length; i++) this.#slots[(this.#head + i) & this.#mask] = elements[i];
    this.#size += elements.length;
  }

  peek(): T | undefined {
    return this.#slots[this.#head];
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const element = this.#slots[this.#head];
    // Cleared so that the element can be collected before the ring wraps round.
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.#size--;
    return element;
  }

  forEach(visit: (element: T) => void): void {
    for (let i = 0; i < this.#size; i++) visit(this.#slots[(this.#head + i) & this.#mask] as T);
  }

  #grow(): void {
    const bigger = new Array<T | undefined>((this.#mask + 1) * 2).fill(undefined);
    for (let i = 0; i < this.#size; i++) bigger[i] = this.#slots[(this.#head + i) & this.#mask];
    this.#slots = bigger;
    this.#mask = bigger.length - 1;
    this.#head = 0;
  }
}

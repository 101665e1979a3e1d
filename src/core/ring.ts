/** A first-in-first-out queue over a circular array that doubles when full; no allocation per element. */
export class Ring<T> {
  #slots: (T | undefined)[];
  #mask: number;
  readonly #leastCapacity: number;
  #head = 0;
  #size = 0;

  constructor(initialCapacity = 1024) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(2, initialCapacity)));
    this.#slots = new Array<T | undefined>(capacity).fill(undefined);
    this.#mask = capacity - 1;
    this.#leastCapacity = capacity;
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

  /** Takes out what does not pass, and gives back memory that is no longer needed. */
  keepOnly(passes: (element: T) => boolean): void {
    const kept: T[] = [];
    this.forEach((element) => {
      if (passes(element)) kept.push(element);
    });
    while (this.#mask + 1 > this.#leastCapacity && (this.#mask + 1) / 4 >= kept.length) this.#mask >>= 1;
    this.#slots = new Array<T | undefined>(this.#mask + 1).fill(undefined);
    this.#head = 0;
    this.#size = 0;
    for (const element of kept) this.push(element);
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

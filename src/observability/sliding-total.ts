/** Operations and how many of them were bad, over a span of time that slides in so many steps. */
export class SlidingTotal {
  readonly spanMs: number;
  readonly #sliceMs: number;
  readonly #totals: Float64Array;
  readonly #bad: Float64Array;
  /** Which slice of time each place holds now. */
  readonly #slices: Float64Array;

  constructor(spanMs: number, slices: number) {
    this.spanMs = spanMs;
    this.#sliceMs = spanMs / slices;
    this.#totals = new Float64Array(slices);
    this.#bad = new Float64Array(slices);
    this.#slices = new Float64Array(slices).fill(-1);
  }

  add(atMs: number, total: number, bad: number): void {
    const slice = Math.floor(atMs / this.#sliceMs);
    const place = slice % this.#slices.length;
    if (this.#slices[place] !== slice) {
      this.#slices[place] = slice;
      this.#totals[place] = 0;
      this.#bad[place] = 0;
    }
    this.#totals[place]! += total;
    this.#bad[place]! += bad;
  }

  read(nowMs: number): { total: number; bad: number } {
    const newest = Math.floor(nowMs / this.#sliceMs);
    const sum = { total: 0, bad: 0 };
    for (let place = 0; place < this.#slices.length; place++) {
      const slice = this.#slices[place]!;
      if (slice < 0 || slice <= newest - this.#slices.length) continue;
      sum.total += this.#totals[place]!;
      sum.bad += this.#bad[place]!;
    }
    return sum;
  }
}

/** One cell may take so many times its share. */
const SHARES = 2;

/** Time for further rounds of cells whose usual rounds do not tell what they are to tell. */
export class SpareTime {
  #leftMs: number;
  #cellsLeft: number;

  /** @param cells that may need some of it */
  constructor(totalMs: number, cells: number) {
    this.#leftMs = totalMs;
    this.#cellsLeft = cells;
  }

  /** To be called once a cell: rounds, until one says that no more are needed or the cell's time is over. */
  async spend(round: () => Promise<boolean>): Promise<void> {
    const startMs = performance.now();
    const endMs = startMs + Math.min(this.#leftMs, (this.#leftMs / Math.max(1, this.#cellsLeft)) * SHARES);
    while (performance.now() < endMs && (await round()));
    this.#leftMs -= performance.now() - startMs;
    this.#cellsLeft--;
  }
}

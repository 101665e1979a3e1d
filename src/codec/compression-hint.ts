/** After so many values in a row that did not become smaller, up to twice as many more are not tried. */
const MAX_SKIPPED = 1024;

/**
 * What one namespace's values taught about compressing them. Values of one namespace are much alike: where they are
 * images or encrypted already, trying each of them would burn the time that compression is meant to save. Each failure
 * doubles how many are skipped before the next try, one success forgets all that.
 */
export class CompressionHint {
  #toSkip = 0;
  #nextSkip = 1;

  /** Whether the next value is worth a try; to be asked once per value. */
  worthTrying(): boolean {
    if (this.#toSkip === 0) return true;
    this.#toSkip--;
    return false;
  }

  /** The same without counting as a try. */
  get isPromising(): boolean {
    return this.#toSkip === 0;
  }

  learn(becameSmaller: boolean): void {
    if (becameSmaller) this.succeeded();
    else this.failed();
  }

  succeeded(): void {
    this.#nextSkip = 1;
  }

  failed(): void {
    this.#toSkip = this.#nextSkip;
    this.#nextSkip = Math.min(this.#nextSkip * 2, MAX_SKIPPED);
  }
}

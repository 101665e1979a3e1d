/** A first guess in nanoseconds; what is observed corrects it. */
export interface CostPrior {
  readonly perValueNs: number;
  readonly perByteNs: number;
}

const SIZE_CLASSES = 32;
/** Weight of a new observation once enough were made. */
const STEADY_WEIGHT = 0.05;
/** A thread that was interrupted makes any observation too long, none too short. */
const MAX_SURPRISE = 3;

/**
 * What work on values costs: a straight line over the size, times a factor that is learned per power of two of the
 * size, as no codec follows a line.
 */
export class CostEstimate {
  readonly #prior: CostPrior;
  readonly #factors = new Float64Array(SIZE_CLASSES);
  readonly #observations = new Uint32Array(SIZE_CLASSES);
  /** For sizes that were not seen yet. */
  #overall = 1;
  #overallObservations = 0;

  constructor(prior: CostPrior) {
    this.#prior = prior;
  }

  ns(values: number, bytes: number): number {
    const size = sizeClass(values, bytes);
    const factor = this.#observations[size] === 0 ? this.#overall : this.#factors[size]!;
    return this.#line(values, bytes) * factor;
  }

  observe(values: number, bytes: number, elapsedNs: number): void {
    if (values === 0) return;
    const size = sizeClass(values, bytes);
    const ratio = elapsedNs / this.#line(values, bytes);
    const seen = ++this.#observations[size]!;
    this.#factors[size] = blend(this.#factors[size]!, ratio, seen);
    this.#overall = blend(this.#overall, ratio, ++this.#overallObservations);
  }

  #line(values: number, bytes: number): number {
    return values * this.#prior.perValueNs + bytes * this.#prior.perByteNs;
  }
}

function blend(factor: number, observed: number, observations: number): number {
  if (observations === 1) return observed;
  const weight = Math.max(1 / observations, STEADY_WEIGHT);
  return factor + (Math.min(observed, factor * MAX_SURPRISE) - factor) * weight;
}

function sizeClass(values: number, bytes: number): number {
  return 31 - Math.clz32((bytes / values) | 1);
}

import type { LiveSample } from "../live-message.js";

const MAX_SAMPLES = 600;

/** The latest samples in the order in which they were taken. */
export class History {
  #samples: LiveSample[] = [];

  replace(samples: readonly LiveSample[]): void {
    this.#samples = samples.slice(-MAX_SAMPLES);
  }

  add(sample: LiveSample): void {
    this.#samples.push(sample);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  get latest(): LiveSample | undefined {
    return this.#samples.at(-1);
  }

  /** Those of the last `seconds` before the newest. */
  last(seconds: number): readonly LiveSample[] {
    const fromMs = (this.latest?.atMs ?? 0) - seconds * 1000;
    const first = this.#samples.findIndex(({ atMs }) => atMs >= fromMs);
    return first < 0 ? [] : this.#samples.slice(first);
  }
}

import type { Engine } from "../../src/index.js";
import { StallMeter } from "../../src/testing/ledger/stall-meter.js";

const EVERY_MS = 10;
const KEY = "probe";

/** Reads a key again and again, to say when the engine served after a given moment. */
export class Probe {
  readonly #engine: Engine;
  readonly #stalls = new StallMeter();
  readonly #timer: NodeJS.Timeout;
  readonly #waiting: { readonly sinceMs: number; readonly resolve: (tookMs: number) => void }[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#timer = setInterval(() => {
      if (this.#waiting.length > 0) this.#ask();
    }, EVERY_MS);
  }

  /** Milliseconds, stalls of this process apart, until a read that was called from now on has been answered. */
  served(): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting.push({ sinceMs: performance.now(), resolve });
      this.#ask();
    });
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stalls.stop();
  }

  #ask(): void {
    const calledMs = performance.now();
    this.#engine.get(KEY).then(
      () => {
        const nowMs = performance.now();
        for (const waiting of this.#waiting.filter(({ sinceMs }) => sinceMs <= calledMs)) {
          this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
          waiting.resolve(nowMs - waiting.sinceMs - this.#stalls.stalledMs(waiting.sinceMs, nowMs));
        }
      },
      () => {
        // Not yet: the next one will tell.
      },
    );
  }
}

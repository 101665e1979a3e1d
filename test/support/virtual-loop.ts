import type { EventLoop } from "../../src/core/event-loop.js";
import { VirtualClock } from "../../src/testing/index.js";

/** An event loop whose time stands still but for what a test lets pass; turns and promises are the process's own. */
export class VirtualLoop implements EventLoop {
  readonly clock = new VirtualClock(1000);
  readonly random = (): number => 0.5;
  #workedMs = 0;

  readonly nowMs = (): number => this.clock.monotonicMs() + this.#workedMs;
  readonly inThisTurn = (run: () => void): void => process.nextTick(run);
  readonly asPromisesDo = (run: () => void): void => {
    void Promise.resolve().then(run);
  };
  readonly inNextTurn = (run: () => void): void => {
    setImmediate(run);
  };
  readonly setTimer = (delayMs: number, run: () => void): object => ({ cancel: this.clock.after(delayMs, run) });
  readonly clearTimer = (timer: object | undefined): void => {
    (timer as { cancel: () => void } | undefined)?.cancel();
  };

  /** Time passes with work: timers that fall due meanwhile are late. */
  work(ms: number): void {
    this.#workedMs += ms;
  }
}

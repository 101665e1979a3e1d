import { performance } from "node:perf_hooks";

/** A timer that was set; only `clearTimer` of the loop that set it knows what it is. */
export type LoopTimer = object;

/** Time, turns and chance, as the pipeline takes them: from the process, or from a simulation that repeats exactly. */
export interface EventLoop {
  /** Milliseconds, fractional, never going back. */
  nowMs(): number;
  /** In [0, 1). */
  random(): number;
  /** Runs it in this turn, after what runs now and before promises go on. */
  inThisTurn(run: () => void): void;
  /** Runs it in this turn, when promises go on. */
  asPromisesDo(run: () => void): void;
  /** Runs it when timers and sockets have had their turn. */
  inNextTurn(run: () => void): void;
  /** @param keepsAlive whether the process has to stay for it */
  setTimer(delayMs: number, run: () => void, keepsAlive: boolean): LoopTimer;
  clearTimer(timer: LoopTimer | undefined): void;
}

const resolved = Promise.resolve();

export const systemLoop: EventLoop = {
  nowMs: () => performance.now(),
  random: () => Math.random(),
  inThisTurn: (run) => process.nextTick(run),
  asPromisesDo: (run) => {
    // A quarter of what queueMicrotask costs, which runs each in an asynchronous resource of its own.
    void resolved.then(run);
  },
  inNextTurn: (run) => {
    setImmediate(run);
  },
  setTimer: (delayMs, run, keepsAlive) => {
    const timer = setTimeout(run, delayMs);
    return keepsAlive ? timer : timer.unref();
  },
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
};

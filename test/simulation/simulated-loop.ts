import type { Random } from "../../bench/lib/rng.js";
import type { EventLoop, LoopTimer } from "../../src/core/event-loop.js";

/** What a turn of the loop takes, so that work has a time. */
const TURN_MS = 0.02;

class Alarm {
  readonly dueMs: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled = false;

  constructor(dueMs: number, order: number, run: () => void) {
    this.dueMs = dueMs;
    this.order = order;
    this.run = run;
  }

  isBefore(other: Alarm): boolean {
    return this.dueMs < other.dueMs || (this.dueMs === other.dueMs && this.order < other.order);
  }
}

/**
 * An event loop in virtual time: the order of ticks, promises, timers and immediates is that of Node.js, nothing waits
 * for anything, and the same seed gives the same run.
 */
export class SimulatedLoop implements EventLoop {
  readonly #random: Random;
  #nowMs = 1000;
  #orders = 0;
  /** A binary heap. */
  readonly #alarms: Alarm[] = [];
  #ticks: (() => void)[] = [];
  #promises: (() => void)[] = [];
  #turns: (() => void)[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  random(): number {
    return this.#random();
  }

  inThisTurn(run: () => void): void {
    this.#ticks.push(run);
  }

  asPromisesDo(run: () => void): void {
    this.#promises.push(run);
  }

  inNextTurn(run: () => void): void {
    this.#turns.push(run);
  }

  setTimer(delayMs: number, run: () => void): LoopTimer {
    const alarm = new Alarm(this.#nowMs + Math.max(0, delayMs), this.#orders++, run);
    this.#push(alarm);
    return alarm;
  }

  clearTimer(timer: LoopTimer | undefined): void {
    if (timer instanceof Alarm) timer.isCancelled = true;
  }

  /** Time passes while something runs: what falls due meanwhile is late. */
  take(ms: number): void {
    this.#nowMs += ms;
  }

  /** Lets everything happen that is due until then. */
  runUntil(untilMs: number): void {
    for (;;) {
      const next = this.#alarms[0];
      if (this.#turns.length === 0) {
        if (next === undefined || next.dueMs > untilMs) break;
        this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      }
      this.#nowMs += TURN_MS;
      this.#runDue();
      const turns = this.#turns;
      this.#turns = [];
      for (const run of turns) this.#call(run);
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #runDue(): void {
    const untilMs = this.#nowMs;
    for (;;) {
      const alarm = this.#alarms[0];
      if (alarm === undefined || alarm.dueMs > untilMs) return;
      this.#pop();
      if (!alarm.isCancelled) this.#call(alarm.run);
    }
  }

  #call(run: () => void): void {
    run();
    while (this.#ticks.length > 0 || this.#promises.length > 0) {
      const ticks = this.#ticks;
      this.#ticks = [];
      for (const tick of ticks) tick();
      if (this.#ticks.length > 0) continue;
      const promises = this.#promises;
      this.#promises = [];
      for (const goOn of promises) goOn();
    }
  }

  #push(alarm: Alarm): void {
    const heap = this.#alarms;
    let at = heap.length;
    heap.push(alarm);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!alarm.isBefore(heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = alarm;
  }

  #pop(): void {
    const heap = this.#alarms;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.isBefore(heap[child]!)) child++;
      if (!heap[child]!.isBefore(last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

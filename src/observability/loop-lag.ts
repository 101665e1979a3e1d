import type { EventLoop, LoopTimer } from "../core/event-loop.js";

const BEAT_MS = 100;
const SLICE_MS = 1000;
const SLICES = 10;

/** How late timers run: what keeps the event loop from turning keeps answers from being read as well. */
export class LoopLag {
  readonly #loop: EventLoop;
  readonly #onBeat: (nowMs: number) => void;
  #timer: LoopTimer | undefined;
  #dueMs = 0;
  /** The largest lag of each of the last ten seconds, by the second. */
  readonly #worst = new Float64Array(SLICES);
  #second = 0;

  /** @param onBeat called ten times a second while it runs */
  constructor(loop: EventLoop, onBeat: (nowMs: number) => void = () => {}) {
    this.#loop = loop;
    this.#onBeat = onBeat;
  }

  start(): void {
    this.#second = Math.floor(this.#loop.nowMs() / SLICE_MS);
    this.#arm();
  }

  stop(): void {
    this.#loop.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** Milliseconds: the largest of this second and the last, a beat that is overdue included. */
  get currentMs(): number {
    const overdueMs = this.#overdueMs();
    this.#turnTo(this.#loop.nowMs());
    return Math.max(overdueMs, this.#worst[this.#second % SLICES]!, this.#worst[(this.#second + SLICES - 1) % SLICES]!);
  }

  /** Milliseconds: the largest of the last ten seconds. */
  get worstMs(): number {
    const overdueMs = this.#overdueMs();
    this.#turnTo(this.#loop.nowMs());
    return Math.max(overdueMs, ...this.#worst);
  }

  #overdueMs(): number {
    return this.#timer === undefined ? 0 : Math.max(0, this.#loop.nowMs() - this.#dueMs);
  }

  #arm(): void {
    this.#dueMs = this.#loop.nowMs() + BEAT_MS;
    this.#timer = this.#loop.setTimer(BEAT_MS, this.#beat, false);
  }

  readonly #beat = (): void => {
    const nowMs = this.#loop.nowMs();
    this.#turnTo(nowMs);
    const at = this.#second % SLICES;
    this.#worst[at] = Math.max(this.#worst[at]!, nowMs - this.#dueMs);
    this.#arm();
    this.#onBeat(nowMs);
  };

  #turnTo(nowMs: number): void {
    const second = Math.floor(nowMs / SLICE_MS);
    for (let passed = Math.max(this.#second, second - SLICES) + 1; passed <= second; passed++) {
      this.#worst[passed % SLICES] = 0;
    }
    this.#second = second;
  }
}

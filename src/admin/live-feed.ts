import type { Clock } from "../core/clock.js";
import type { Engine, EngineStats } from "../engine/engine-contract.js";
import type { EventStream } from "./event-stream.js";
import type { LiveDetail, LiveFacts, LiveSample, LiveSlow, LiveWelcome } from "./live-message.js";
import { liveSample } from "./live-sample.js";

/** Ten minutes at one sample per second: whoever opens the page during an incident sees how it began. */
const MAX_HISTORY = 600;
const NOTHING_SENT = -1;

/** Takes one sample per interval, keeps the latest, and hands each to the pages that are open. */
export class LiveFeed {
  readonly #engine: Pick<Engine, "stats" | "slowOperations">;
  readonly #clock: Clock;
  readonly #facts: LiveFacts;
  readonly #readDetail: () => Promise<LiveDetail>;
  readonly #history: LiveSample[] = [];
  /** With the number of slow operations that each was told of. */
  readonly #streams = new Map<EventStream, number>();
  readonly #timer: NodeJS.Timeout;
  #before: EngineStats;
  #beforeMs: number;

  constructor(
    engine: Pick<Engine, "stats" | "slowOperations">,
    facts: LiveFacts,
    readDetail: () => Promise<LiveDetail>,
    clock: Clock,
  ) {
    this.#engine = engine;
    this.#clock = clock;
    this.#facts = facts;
    this.#readDetail = readDetail;
    this.#before = engine.stats();
    this.#beforeMs = clock.monotonicMs();
    this.#timer = setInterval(() => this.sample(), facts.sampleMs);
    this.#timer.unref();
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  sample(): void {
    const nowMs = this.#clock.monotonicMs();
    const spanMs = nowMs - this.#beforeMs;
    // A loop that was blocked fires the timer late and then again at once: such a span says nothing.
    if (spanMs < this.#facts.sampleMs / 4) return;
    const stats = this.#engine.stats();
    const taken = liveSample(stats, this.#before, spanMs, this.#clock.wallMs());
    this.#before = stats;
    this.#beforeMs = nowMs;
    this.#history.push(taken);
    if (this.#history.length > MAX_HISTORY) this.#history.shift();
    for (const stream of this.#streams.keys()) stream.send("sample", taken);
    this.#sendSlow(stats.slowOperations);
    if (this.#streams.size > 0) this.#sendDetail([...this.#streams.keys()]);
  }

  add(stream: EventStream): void {
    const welcome: LiveWelcome = { facts: this.#facts, history: this.#history };
    stream.send("welcome", welcome);
    this.#streams.set(stream, NOTHING_SENT);
    this.#sendSlow(this.#engine.stats().slowOperations);
    this.#sendDetail([stream]);
  }

  remove(stream: EventStream): void {
    this.#streams.delete(stream);
  }

  #sendDetail(streams: readonly EventStream[]): void {
    const send = (detail: LiveDetail): void => {
      for (const stream of streams) stream.send("detail", detail);
    };
    // A detail that cannot be read is left out: the next sample brings another, and /readyz says what is wrong.
    this.#readDetail().then(send, () => {});
  }

  /** To each page that has not been told of all of them; one whose socket was full is told with a later sample. */
  #sendSlow(total: number): void {
    let slow: LiveSlow | undefined;
    for (const [stream, sent] of this.#streams) {
      if (sent === total) continue;
      slow ??= { total, operations: this.#engine.slowOperations() };
      if (stream.send("slow", slow)) this.#streams.set(stream, total);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    for (const stream of this.#streams.keys()) stream.end();
    this.#streams.clear();
  }
}

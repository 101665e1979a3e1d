import type { LiveSample } from "../live-message.js";
import { drawing, element, setAttribute, setText } from "./elements.js";
import { latency, milliseconds, percent, shortNumber, wholeNumber } from "./figures.js";
import { drawSparkline } from "./sparkline.js";

interface Reading {
  readonly value: string;
  readonly note: string;
  readonly concern: "none" | "warn" | "bad";
}

interface TileKind {
  readonly id: string;
  readonly name: string;
  read(sample: LiveSample, operation: string): Reading;
  plot(sample: LiveSample, operation: string): number | null;
}

const WARN_ERROR_RATE = 0.001;
const BAD_ERROR_RATE = 0.01;
const WARN_LOOP_LAG_MS = 50;

const TILES: readonly TileKind[] = [
  {
    id: "throughput",
    name: "Throughput",
    read: (sample) => ({
      value: `${shortNumber(sample.operationsPerSec)}/s`,
      note: `${wholeNumber(sample.operationsTotal)} since start`,
      concern: "none",
    }),
    plot: (sample) => sample.operationsPerSec,
  },
  {
    id: "latency",
    name: "p99 latency",
    read: (sample, operation) => {
      const figures = sample.latency[operation];
      return {
        value: figures === undefined ? "–" : latency(figures.p99Us),
        note:
          figures === undefined
            ? `no ${operation} in the last 10 s`
            : `${operation}; half below ${latency(figures.p50Us)}`,
        concern: "none",
      };
    },
    plot: (sample, operation) => sample.latency[operation]?.p99Us ?? null,
  },
  {
    id: "errors",
    name: "Failed",
    read: ({ errorRate, failedTotal }) => ({
      value: percent(errorRate ?? 0),
      note: `${wholeNumber(failedTotal)} since start`,
      concern: (errorRate ?? 0) >= BAD_ERROR_RATE ? "bad" : (errorRate ?? 0) >= WARN_ERROR_RATE ? "warn" : "none",
    }),
    plot: (sample) => sample.failedPerSec,
  },
  {
    id: "hits",
    name: "Hit rate",
    read: ({ hitRate }) => ({
      value: hitRate === null ? "–" : percent(hitRate),
      note: hitRate === null ? "no reads just now" : "of reads found a value",
      concern: "none",
    }),
    plot: (sample) => sample.hitRate,
  },
  {
    id: "pending",
    name: "Pending",
    read: ({ pending, waiting, inFlightBatches }) => ({
      value: shortNumber(pending),
      note: waiting > 0 ? `! ${shortNumber(waiting)} callers wait for room` : `${inFlightBatches} batches in flight`,
      concern: waiting > 0 ? "bad" : "none",
    }),
    plot: (sample) => sample.pending,
  },
  {
    id: "loop",
    name: "Event-loop lag",
    read: ({ loopLagMs }) => ({
      value: milliseconds(loopLagMs),
      note: loopLagMs >= WARN_LOOP_LAG_MS ? "! the loop is blocked" : "worst of the last 10 s",
      concern: loopLagMs >= WARN_LOOP_LAG_MS ? "warn" : "none",
    }),
    plot: (sample) => sample.loopLagMs,
  },
];

/** The row of key figures, each with the shape of its last minutes. */
export class Tiles {
  readonly #tiles = TILES.map((kind) => {
    const value = element("p", { class: "tile-value", id: `tile-${kind.id}` }, "–");
    const note = element("p", { class: "tile-note" }, "");
    const spark = drawing("svg", { viewBox: "0 0 120 34", preserveAspectRatio: "none", "aria-hidden": "true" });
    const name = element("h3", { class: "tile-name" }, kind.name);
    return { kind, value, note, spark, tile: element("article", { class: "tile" }, name, value, note, spark) };
  });

  constructor(place: HTMLElement) {
    place.append(...this.#tiles.map(({ tile }) => tile));
  }

  show(samples: readonly LiveSample[], operation: string): void {
    const latest = samples.at(-1);
    if (latest === undefined) return;
    for (const { kind, value, note, spark } of this.#tiles) {
      const reading = kind.read(latest, operation);
      setText(value, reading.value);
      setText(note, reading.note);
      setAttribute(note, "class", `tile-note ${reading.concern}`);
      drawSparkline(
        spark,
        samples.map((sample) => kind.plot(sample, operation)),
      );
    }
  }
}

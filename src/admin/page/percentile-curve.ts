import type { OperationFigures } from "../live-message.js";
import { byId } from "./elements.js";
import { latency } from "./figures.js";
import { type LineStyle, Plot } from "./plot.js";
import type { Scale } from "./scale.js";
import { latencyScale } from "./time-charts.js";

const STYLES: readonly LineStyle[] = [
  { name: "last 10 s", color: "line-4", dash: "" },
  { name: "last minute", color: "line-3", dash: "7 3" },
  { name: "last 5 min", color: "line-2", dash: "2 3" },
  { name: "since start", color: "line-1", dash: "8 3 2 3" },
];
const SHARES = [0.5, 0.9, 0.99, 0.999] as const;
/** Where the largest value is drawn: beyond the last percentile that is known. */
const LARGEST = 0.9999;

/** A share of operations by how many fall beyond it: 90 %, 99 % and 99.9 % are equally far from each other. */
const SHARE_SCALE: Scale = {
  ticks: [
    { value: 0.5, label: "50 %" },
    { value: 0.9, label: "90 %" },
    { value: 0.99, label: "99 %" },
    { value: 0.999, label: "99.9 %" },
    { value: LARGEST, label: "max" },
  ],
  position: (share) => Math.log10(0.5 / (1 - share)) / Math.log10(0.5 / (1 - LARGEST)),
};

/** What share of operations settled within which time, over four windows. */
export class PercentileCurve {
  readonly #plot = new Plot(byId("chart-curve"), {
    title: "Latency by percentile",
    styles: STYLES,
    formatX: (share) => (share === LARGEST ? "the maximum" : `p${Number((share * 100).toFixed(2))}`),
    formatY: latency,
    restX: 0.99,
  });

  show(figures: OperationFigures | undefined): void {
    const windows =
      figures === undefined ? [] : [figures.windows.last10s, figures.windows.last1m, figures.windows.last5m, figures];
    const lines = windows.map((window) =>
      window.count === 0
        ? SHARES.map(() => null).concat(null)
        : [window.p50Us, window.p90Us, window.p99Us, window.p999Us, window.maxUs],
    );
    this.#plot.show({ x: [...SHARES, LARGEST], lines, xScale: SHARE_SCALE, yScale: latencyScale(lines.flat()) });
  }
}

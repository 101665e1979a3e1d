import type { OperationFigures } from "../live-message.js";
import { element } from "./elements.js";
import { latency, wholeNumber } from "./figures.js";

const COLUMNS: readonly (readonly [head: string, read: (figures: OperationFigures) => string])[] = [
  ["settled", ({ count }) => wholeNumber(count)],
  ["mean", ({ meanUs }) => latency(meanUs)],
  ["p50", ({ p50Us }) => latency(p50Us)],
  ["p90", ({ p90Us }) => latency(p90Us)],
  ["p99", ({ p99Us }) => latency(p99Us)],
  ["p99.9", ({ p999Us }) => latency(p999Us)],
  ["max", ({ maxUs }) => latency(maxUs)],
  ["queue p99", ({ phases }) => latency(phases.queue.p99Us)],
  ["codec p99", ({ phases }) => latency(phases.codec.p99Us)],
  ["store p99", ({ phases }) => latency(phases.store.p99Us)],
  ["decode p99", ({ phases }) => latency(phases.decode.p99Us)],
];

export function operationsTable(operations: Readonly<Record<string, OperationFigures>>): HTMLElement {
  const rows = Object.entries(operations).sort(([, left], [, right]) => right.count - left.count);
  if (rows.length === 0) return element("p", { class: "nothing" }, "No operation has settled yet.");
  const head = COLUMNS.map(([name]) => element("th", { scope: "col" }, name));
  const body = rows.map(([name, figures]) =>
    element(
      "tr",
      {},
      element("td", { class: "text" }, element("code", {}, name)),
      ...COLUMNS.map(([, read]) => element("td", {}, read(figures))),
    ),
  );
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, element("th", { class: "text", scope: "col" }, "operation"), ...head)),
    element("tbody", {}, ...body),
  );
}

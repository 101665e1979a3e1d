import type { CacheFigures, LiveSample } from "../live-message.js";
import { drawing, element } from "./elements.js";
import { bytes, percent, shortNumber } from "./figures.js";

type Row = readonly [name: string, value: string];

/** Breaker, connections, batches, cache and values: one card each. */
export function partCards(samples: readonly LiveSample[]): HTMLElement[] {
  const latest = samples.at(-1);
  if (latest === undefined) return [];
  return [
    card("Circuit breaker", breakerRows(samples), breakerPill(latest.circuit), breakerStrip(samples)),
    card("Connections", [
      ["at work", shortNumber(latest.activeConnections)],
      ["idle", shortNumber(latest.idleConnections)],
      ["retries", `${shortNumber(latest.retriesPerSec)}/s`],
    ]),
    card("Batches", [
      ["sent", `${shortNumber(latest.batchesPerSec)}/s`],
      ["operations in each", latest.operationsPerBatch === null ? "–" : shortNumber(latest.operationsPerBatch)],
      ["in flight", shortNumber(latest.inFlightBatches)],
      ["answered by a neighbour's command", latest.coalescedShare === null ? "–" : percent(latest.coalescedShare)],
    ]),
    ...(latest.cache === null ? [] : [cacheCard(latest.cache)]),
    card("Values", [
      ["read", `${bytes(latest.bytesReadPerSec)}/s`],
      ["written", `${bytes(latest.bytesWrittenPerSec)}/s`],
      ["compression", latest.compressionRatio === 1 ? "none yet" : `${latest.compressionRatio.toFixed(2)} : 1`],
    ]),
  ];
}

const INVALIDATION: Readonly<Record<CacheFigures["invalidation"], string>> = {
  changes: "told by the store",
  time: "by age only",
  down: "link lost, nothing is kept",
};

function cacheCard({ hitRate, entries, bytes: held, evictionsPerSec, invalidation }: CacheFigures): HTMLElement {
  const pill = invalidation === "down" ? statePill("warn", "resting") : undefined;
  const rows: Row[] = [
    ["reads answered here", hitRate === null ? "–" : percent(hitRate)],
    ["held", `${bytes(held)} in ${shortNumber(entries)}`],
    ["evicted", `${shortNumber(evictionsPerSec)}/s`],
    ["changes by others", INVALIDATION[invalidation]],
  ];
  return card("Cache in this process", rows, pill);
}

function breakerRows(samples: readonly LiveSample[]): Row[] {
  const openings = samples.filter(
    ({ circuit }, index) => circuit === "open" && samples[index - 1]?.circuit !== "open",
  ).length;
  return [["openings in the time shown", String(openings)]];
}

function breakerPill(circuit: LiveSample["circuit"]): HTMLElement {
  return statePill(circuit === "closed" ? "good" : circuit === "open" ? "bad" : "warn", circuit);
}

function statePill(state: "good" | "warn" | "bad", text: string): HTMLElement {
  return element(
    "span",
    { class: "pill", "data-state": state },
    element("span", { class: "pill-icon", "aria-hidden": "true" }),
    text,
  );
}

/** The breaker's states from left to right in time; open is taller than closed, so that colour is not needed. */
function breakerStrip(samples: readonly LiveSample[]): SVGElement {
  const svg = drawing("svg", {
    class: "strip",
    viewBox: `0 0 ${Math.max(1, samples.length)} 14`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  let begin = 0;
  for (let index = 1; index <= samples.length; index++) {
    const { circuit } = samples[begin]!;
    if (samples[index]?.circuit === circuit) continue;
    const height = circuit === "closed" ? 4 : circuit === "open" ? 14 : 9;
    svg.append(drawing("rect", { class: `strip-${circuit}`, x: begin, y: 14 - height, width: index - begin, height }));
    begin = index;
  }
  return svg;
}

function card(name: string, rows: readonly Row[], pill?: HTMLElement, strip?: SVGElement): HTMLElement {
  const list = element(
    "dl",
    { class: "rows" },
    ...rows.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]),
  );
  const head = element("div", { class: "part-head" }, element("h3", {}, name), ...(pill === undefined ? [] : [pill]));
  return element("article", { class: "card" }, head, ...(strip === undefined ? [] : [strip]), list);
}

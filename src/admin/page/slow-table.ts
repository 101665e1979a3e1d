import type { LiveSlow, SlowFigures } from "../live-message.js";
import { drawing, element } from "./elements.js";
import { clockTime, milliseconds, wholeNumber } from "./figures.js";

const MAX_ROWS = 50;
const PHASES = [
  { name: "queue", read: "queueMs" },
  { name: "codec", read: "codecMs" },
  { name: "store", read: "storeMs" },
  { name: "decode", read: "decodeMs" },
] as const;

export type SlowOrder = "latest" | "slowest";

/** Where the time of slow operations went. A value is never among what the server sends. */
export function slowTable({ total, operations }: LiveSlow, order: SlowOrder): HTMLElement[] {
  if (operations.length === 0) return [element("p", { class: "nothing" }, "None has been slow so far.")];
  const sorted = [...operations].sort((left, right) =>
    order === "latest" ? right.atMs - left.atMs : right.latencyMs - left.latencyMs,
  );
  const heads = ["time", "operation", "key", "latency", "phases", "batch", "attempts", "loop lag", "result"];
  const head = heads.map((name, index) => element("th", { scope: "col", class: isText(index) ? "text" : "" }, name));
  const table = element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...sorted.slice(0, MAX_ROWS).map((operation) => row(operation))),
  );
  const shown = Math.min(MAX_ROWS, sorted.length);
  return [
    table,
    element("p", { class: "table-foot" }, `${shown} shown of ${wholeNumber(total)} since the engine opened`),
  ];
}

function isText(column: number): boolean {
  return [0, 1, 2, 4, 8].includes(column);
}

function row(operation: SlowFigures): HTMLElement {
  const { atMs, key, latencyMs, phases, batchSize, attempts, eventLoopLagMs, error } = operation;
  const cells: (readonly [content: Node | string, name: string])[] = [
    [clockTime(atMs), "text"],
    [element("code", {}, operation.operation), "text"],
    [key === null ? "many" : element("code", { title: key }, key), "text key"],
    [milliseconds(latencyMs), ""],
    [phases === null ? (batchSize === 0 ? "never sent" : "–") : phaseBar(phases), "text"],
    [batchSize === 0 ? "–" : wholeNumber(batchSize), ""],
    [String(attempts), ""],
    [milliseconds(eventLoopLagMs), ""],
    [error === null ? "done" : `✕ ${error}`, error === null ? "text" : "text failed"],
  ];
  return element("tr", {}, ...cells.map(([content, name]) => element("td", { class: name }, content)));
}

/** The phases one behind the other; their times stand beside it and in its label. */
function phaseBar(phases: NonNullable<SlowFigures["phases"]>): HTMLElement {
  const times = PHASES.map(({ name, read }) => ({ name, ms: phases[read] }));
  const sum = times.reduce((total, { ms }) => total + ms, 0);
  const label = times.map(({ name, ms }) => `${name} ${milliseconds(ms)}`).join(", ");
  const bar = drawing("svg", {
    class: "phases",
    viewBox: "0 0 100 10",
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": label,
  });
  let x = 0;
  for (const { name, ms } of times) {
    const width = sum === 0 ? 0 : (ms / sum) * 100;
    bar.append(drawing("rect", { class: `phase-${name}`, x, y: 0, width, height: 10 }));
    x += width;
  }
  const longest = times.reduce((most, phase) => (phase.ms > most.ms ? phase : most));
  const said = element("span", { class: "soft" }, ` ${longest.name} ${milliseconds(longest.ms)}`);
  return element("span", { title: label }, bar, said);
}

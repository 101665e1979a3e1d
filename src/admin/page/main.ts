import type { LiveDetail, LiveFacts, LiveSlow } from "../live-message.js";
import { byId, element, setAttribute, setText } from "./elements.js";
import { duration } from "./figures.js";
import { History } from "./history.js";
import { LiveStream, type StreamState } from "./live-stream.js";
import { objectiveCards } from "./objectives.js";
import { operationsTable } from "./operations-table.js";
import { partCards } from "./parts.js";
import { PercentileCurve } from "./percentile-curve.js";
import { type SlowOrder, slowTable } from "./slow-table.js";
import { followTheme } from "./theme.js";
import { Tiles } from "./tiles.js";
import { TimeCharts } from "./time-charts.js";
import { verdictOf } from "./verdict.js";

const STREAM_TEXTS: Readonly<Record<StreamState, string>> = {
  connecting: "Connecting",
  live: "Live",
  paused: "Paused",
  lost: "Connection lost, trying again",
};

const history = new History();
const tiles = new Tiles(byId("tiles"));
const charts = new TimeCharts();
const curve = new PercentileCurve();
const operationChoice = byId("operation") as HTMLSelectElement;
let facts: LiveFacts | undefined;
let detail: LiveDetail | undefined;
let slow: LiveSlow | undefined;
let isDrawPending = false;

followTheme(byId("theme"));
const stream = new LiveStream({
  state(state) {
    setAttribute(byId("stream"), "data-state", state);
    setText(byId("stream-text"), STREAM_TEXTS[state]);
  },
  welcome(welcome) {
    facts = welcome.facts;
    history.replace(welcome.history);
    drawSoon();
  },
  sample(sample) {
    history.add(sample);
    drawSoon();
  },
  detail(newest) {
    detail = newest;
    drawSoon();
  },
  slow(newest) {
    slow = newest;
    drawSlow();
  },
});

const pause = byId("pause");
pause.addEventListener("click", () => {
  const isPaused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", String(isPaused));
  setText(pause, isPaused ? "Resume" : "Pause");
  stream.pause(isPaused);
});
operationChoice.addEventListener("change", drawSoon);
byId("range").addEventListener("change", drawSoon);
byId("slow-order").addEventListener("change", drawSlow);

/** Several messages that come together are drawn once. */
function drawSoon(): void {
  if (isDrawPending) return;
  isDrawPending = true;
  requestAnimationFrame(() => {
    isDrawPending = false;
    draw();
  });
}

function draw(): void {
  const rangeSeconds = Number(document.querySelector<HTMLInputElement>("#range input:checked")?.value ?? "300");
  const samples = history.last(rangeSeconds);
  offerOperations();
  const operation = operationChoice.value || "get";
  for (const place of document.querySelectorAll(".operation-name")) setText(place, operation);
  drawHead();
  tiles.show(samples, operation);
  charts.show(samples, rangeSeconds, operation, facts?.sampleMs ?? 1000);
  byId("parts").replaceChildren(...partCards(samples));
  if (detail === undefined) return;
  curve.show(detail.latency[operation]);
  byId("objectives").replaceChildren(objectiveCards(detail.objectives));
  byId("operations").replaceChildren(operationsTable(detail.latency));
}

/** Only when something has changed: the reader may be selecting a key in it. */
function drawSlow(): void {
  if (slow === undefined) return;
  const order = document.querySelector<HTMLInputElement>("#slow-order input:checked")?.value as SlowOrder | undefined;
  byId("slow").replaceChildren(...slowTable(slow, order ?? "latest"));
}

function drawHead(): void {
  const verdict = verdictOf(history.last(600), detail);
  setAttribute(byId("verdict"), "data-state", verdict.state);
  setText(byId("verdict-text"), verdict.text);
  if (facts === undefined) return;
  setText(byId("title"), facts.title);
  document.title = `${verdict.state === "good" ? "" : `${verdict.text} · `}${facts.title}`;
  const store = detail?.checks.find(({ name }) => name === "store")?.detail ?? "";
  const up = duration((history.latest?.atMs ?? facts.startedAtMs) - facts.startedAtMs);
  const said = [
    detail?.backend ?? "",
    store,
    `process ${facts.processId}`,
    `Node ${facts.nodeVersion}`,
    `served for ${up}`,
  ];
  setText(byId("facts"), said.filter((text) => text !== "").join(" · "));
}

/** The operations seen so far; the busiest is chosen until the reader chooses. */
function offerOperations(): void {
  const seen = Object.entries(detail?.latency ?? {}).sort(([, left], [, right]) => right.count - left.count);
  const names = seen.map(([name]) => name);
  const offered = new Set(Array.from(operationChoice.options, ({ value }) => value));
  for (const name of names) if (!offered.has(name)) operationChoice.append(element("option", { value: name }, name));
}

import type { ObjectiveFigures } from "../live-message.js";
import { element } from "./elements.js";
import { milliseconds, percent, wholeNumber } from "./figures.js";

type State = "good" | "warn" | "bad";

/** One card for each objective: whether it is met, what is left of its budget, how fast that is spent. */
export function objectiveCards(objectives: readonly ObjectiveFigures[]): HTMLElement {
  if (objectives.length === 0) {
    const text = "No objectives are set. The option slo takes them, such as 99 % of gets within 1 ms.";
    return element("p", { class: "card nothing" }, text);
  }
  return element("div", { class: "objectives" }, ...objectives.map((objective) => card(objective)));
}

function card(objective: ObjectiveFigures): HTMLElement {
  const { operation, percentile, latencyMs, total, compliance, budgetRemaining, measuredMs, windows } = objective;
  const state = stateOf(objective);
  const left = Math.max(0, Math.min(1, budgetRemaining));
  const meter = element("div", { class: "meter-fill", "data-state": meterState(budgetRemaining) });
  meter.style.width = `${left * 100}%`;
  const rows: [string, string][] = [
    ["good operations", `${percent(compliance)} of ${wholeNumber(total)}`],
    [`p${percentile} of the last 5 min`, measuredMs === 0 ? "–" : milliseconds(measuredMs)],
    ...windows.map(({ window, burnRate }): [string, string] => [`burn rate, ${window}`, burnRateText(burnRate)]),
  ];
  return element(
    "article",
    { class: "card" },
    element(
      "div",
      { class: "part-head" },
      element(
        "h3",
        {},
        element("span", {}, element("code", {}, operation), ` p${percentile} ≤ ${milliseconds(latencyMs)}`),
      ),
      element(
        "span",
        { class: "pill", "data-state": state },
        element("span", { class: "pill-icon", "aria-hidden": "true" }),
        textOf(objective),
      ),
    ),
    element("div", { class: "meter" }, meter),
    element("p", { class: "tile-note" }, budgetText(budgetRemaining)),
    element(
      "dl",
      { class: "rows" },
      ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
    ),
  );
}

function stateOf({ isMet, burning }: ObjectiveFigures): State {
  if (burning === "page") return "bad";
  if (!isMet) return "bad";
  return burning === "ticket" ? "warn" : "good";
}

function textOf({ isMet, burning }: ObjectiveFigures): string {
  if (burning !== null) return burning === "page" ? "burning fast" : "burning";
  return isMet ? "met" : "missed";
}

function meterState(remaining: number): State {
  return remaining <= 0 ? "bad" : remaining < 0.25 ? "warn" : "good";
}

function budgetText(remaining: number): string {
  if (remaining < 0) return `error budget overdrawn ${(1 - remaining).toFixed(1)} times`;
  return `${percent(remaining)} of the error budget of 30 days left`;
}

/** 1 spends the budget exactly by the end of its 30 days. */
function burnRateText(rate: number): string {
  return rate === 0 ? "0" : `${rate.toFixed(rate < 10 ? 2 : 0)} ×`;
}

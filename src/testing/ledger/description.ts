import type { Entry } from "./entry.js";
import { mayEnd, type PossibleStates } from "./possible-states.js";

export function expectation(states: PossibleStates): string {
  const listed = [...states].slice(0, 4).map(([content, lifetime]) => {
    if (!mayEnd(lifetime)) return shown(content);
    const [from, until] = [lifetime.fromMs, lifetime.untilMs].map((ms) => ms.toFixed(1));
    return `${shown(content)} until @${from} to @${until}${lifetime.never ? " or for ever" : ""}`;
  });
  return `possible: ${listed.join(", ")}${states.size > 4 ? `, … (${states.size})` : ""}`;
}

export function shown(value: Entry["result"]): string {
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > 48 ? `${value.slice(0, 47)}…` : value);
}

export function described(entry: Entry): string {
  const { call } = entry;
  const given = [entry.expected, entry.value].filter((part) => part !== undefined).map(shown);
  if (entry.ttlMs !== null) given.push(`${entry.ttlMs} ms`);
  const took = call.settledMs === undefined ? "" : ` ${Math.round(call.settledMs - call.calledMs)} ms`;
  const came = call.outcome === "ok" ? shown(entry.result) : `${call.outcome} ${call.failure ?? ""}`.trim();
  const within = call.operation === entry.operation ? "" : ` in ${call.operation}`;
  return `@${call.calledMs.toFixed(1)} ${entry.operation}(${given.join(", ")})${within}: ${came}${took}`;
}

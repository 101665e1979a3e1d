import type { LiveDetail, LiveSample } from "../live-message.js";
import { percent, shortNumber } from "./figures.js";

export interface Verdict {
  readonly state: "good" | "warn" | "bad" | "unknown";
  readonly text: string;
}

const BAD_ERROR_RATE = 0.01;
/** Over so many samples, so that one failure in a quiet second raises no alarm. */
const JUDGED_SAMPLES = 30;

/** The one thing to know first. */
export function verdictOf(samples: readonly LiveSample[], detail: LiveDetail | undefined): Verdict {
  const latest = samples.at(-1);
  if (latest === undefined) return { state: "unknown", text: "Waiting for figures" };
  if (latest.circuit === "open") return { state: "bad", text: "Circuit open" };
  // The circuit is in each sample, and there newer.
  const failed = detail?.checks.find(({ name, ok }) => !ok && name !== "circuit");
  if (failed !== undefined) {
    return { state: "bad", text: failed.name === "store" ? "Store unreachable" : "Closing" };
  }
  if (latest.waiting > 0) return { state: "bad", text: `Queue full, ${shortNumber(latest.waiting)} callers wait` };
  const judged = samples.slice(-JUDGED_SAMPLES);
  const operations = judged.reduce((sum, sample) => sum + sample.operationsPerSec, 0);
  const failures = judged.reduce((sum, sample) => sum + sample.failedPerSec, 0);
  if (operations > 0 && failures / operations >= BAD_ERROR_RATE) {
    return { state: "bad", text: `${percent(failures / operations)} of operations fail` };
  }
  const burning = detail?.objectives.filter((objective) => objective.burning !== null) ?? [];
  const [fastest] = burning.sort((objective) => (objective.burning === "page" ? -1 : 1));
  if (fastest !== undefined) {
    const state = fastest.burning === "page" ? "bad" : "warn";
    return { state, text: `Budget of ${fastest.operation} p${fastest.percentile} burns` };
  }
  if (latest.circuit === "half-open") return { state: "warn", text: "Circuit half-open" };
  return { state: "good", text: "Healthy" };
}

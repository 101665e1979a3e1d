import { normal, type Random, seededRandom } from "../lib/rng.js";
import type { LlmRequest } from "./trace.js";

/**
 * The shape of the Azure LLM inference trace 2023, conversation (Azure Public Dataset, CC BY 4.0): 19,366 requests
 * in 58 minutes, 200 to 500 a minute with exponential gaps; token counts close to log-normal.
 */
const REQUESTS = 19_366;
const MEAN_GAP_MS = 181;
const RATE_SPREAD = 0.22;
const CONTEXT = { logMean: 6.63, logDeviation: 0.985, min: 2, max: 14_050 };
const GENERATED = { logMean: 5.02, logDeviation: 0.859, min: 7, max: 1_000 };
const MINUTE_MS = 60_000;

export function generateLlmTrace(seed: number, requests: number = REQUESTS): LlmRequest[] {
  const random = seededRandom(seed);
  const trace: LlmRequest[] = [];
  let atMs = Date.UTC(2023, 10, 16, 18, 15, 46);
  let minute = -1;
  let gapMs = MEAN_GAP_MS;
  for (let i = 0; i < requests; i++) {
    if (Math.floor(atMs / MINUTE_MS) !== minute) {
      minute = Math.floor(atMs / MINUTE_MS);
      gapMs = MEAN_GAP_MS * Math.exp(RATE_SPREAD * normal(random));
    }
    atMs += -Math.log(1 - random()) * gapMs;
    trace.push({ atMs, contextTokens: tokens(random, CONTEXT), generatedTokens: tokens(random, GENERATED) });
  }
  return trace;
}

function tokens(random: Random, shape: typeof CONTEXT): number {
  const count = Math.round(Math.exp(shape.logMean + shape.logDeviation * normal(random)));
  return Math.min(shape.max, Math.max(shape.min, count));
}

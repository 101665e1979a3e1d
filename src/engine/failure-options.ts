import { group, switchable } from "../config/group.js";
import { duration, integer, number, oneOf } from "../config/scalars.js";
import { MAX_DELAY_MS, MAX_TTL_MS } from "./option-limits.js";

/** Deadlines are kept in wrapping 32-bit microseconds, which turn negative after 35 minutes. */
const MAX_OPERATION_MS = 1_800_000;

export const timeouts = group(
  {
    connectMs: duration({
      min: 1,
      max: 600_000,
      default: 5000,
      doc: "Time for the store to answer when the engine opens or reconnects.",
    }),
    operationMs: duration({
      min: 1,
      max: MAX_OPERATION_MS,
      default: 3000,
      doc: "Time from the call to its settling, unless the call gives its own.",
    }),
  },
  { doc: "Deadlines." },
);

export const retry = group(
  {
    retries: integer({
      min: 0,
      max: 100,
      default: 3,
      doc: "Attempts after the first, where a repetition can do no harm: what certainly was not applied, reads, put and expire.",
    }),
    baseDelayMs: duration({
      min: 0,
      max: MAX_DELAY_MS,
      default: 100,
      doc: "Wait before the first retry; it doubles with each.",
    }),
    maxDelayMs: duration({ min: 0, max: MAX_DELAY_MS, default: 5000, doc: "Longest wait between two attempts." }),
    jitter: number({
      min: 0,
      max: 1,
      default: 0.3,
      doc: "Random share of each wait, so that clients do not retry in step.",
    }),
  },
  {
    doc: "Retries of failed operations.",
    rules: [
      ({ baseDelayMs, maxDelayMs }) =>
        baseDelayMs > maxDelayMs
          ? `baseDelayMs must not be greater than maxDelayMs; got ${baseDelayMs} and ${maxDelayMs}`
          : undefined,
    ],
  },
);

export const circuitBreaker = switchable(
  group(
    {
      failures: integer({ min: 1, max: 1_000_000, default: 10, doc: "Failures in a row that open the circuit." }),
      resetMs: duration({
        min: 1,
        max: 86_400_000,
        default: 60_000,
        doc: "Time until an open circuit lets a probe through.",
      }),
    },
    { doc: "Refuses operations at once while the store is failing; false: never." },
  ),
  { default: "on" },
);

export const degraded = group(
  {
    reads: oneOf(["fail", "miss", "stale"], {
      default: "fail",
      doc: "What reads do when the store is away: fail, answer as if the key were absent, or with what the cache had.",
    }),
    maxStaleMs: duration({
      min: 1,
      max: MAX_TTL_MS,
      default: 60_000,
      doc: "How long ago such an answer may have been read from the store.",
    }),
  },
  { doc: "Reads while the store cannot be reached; writes always fail." },
);

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LiveDetail, LiveSample, ObjectiveFigures } from "../../../src/admin/live-message.js";
import { bytes, latency, percent, shortNumber, tickOf } from "../../../src/admin/page/figures.js";
import { linearScale, logScale } from "../../../src/admin/page/scale.js";
import { verdictOf } from "../../../src/admin/page/verdict.js";

test("figures have three digits and the unit that suits them", () => {
  assert.deepEqual(
    [0, 7, 0.25, 999, 1000, 12_345, 999_600, 1_200_000].map((value) => shortNumber(value)),
    ["0", "7", "0.3", "999", "1.00 k", "12.3 k", "1.00 M", "1.20 M"],
  );
  assert.deepEqual(
    [0, 3.4, 950, 1000, 12_340, 1_500_000].map((us) => latency(us)),
    ["0 µs", "3.4 µs", "950 µs", "1.00 ms", "12.3 ms", "1.50 s"],
  );
  assert.deepEqual(
    [0, 1023, 1024, 1_048_576].map((value) => bytes(value)),
    ["0 B", "1023 B", "1.00 KiB", "1.00 MiB"],
  );
});

test("a share that is not quite all or not quite none is not shown as all or none", () => {
  assert.deepEqual(
    [0, 1, 0.99999999, 0.00000001, 0.999, 0.5, 0.001].map((share) => percent(share)),
    ["0 %", "100 %", "> 99.99 %", "< 0.01 %", "99.90 %", "50.0 %", "0.10 %"],
  );
});

test("an axis begins at zero, ends at a round number above the highest value and says no digit too many", () => {
  const { ticks, position } = linearScale(17_300, tickOf(shortNumber), 4);
  assert.deepEqual(
    ticks.map(({ label }) => label),
    ["0", "5 k", "10 k", "15 k", "20 k"],
  );
  assert.equal(position(10_000), 0.5);
  assert.deepEqual(
    linearScale(0, tickOf(shortNumber), 4).ticks.map(({ label }) => label),
    ["0", "1", "2", "3", "4"],
  );
});

test("a logarithmic axis holds all values and gives equal factors equal room", () => {
  for (const [lowest, highest] of [
    [80, 120_000],
    [5, 5],
    [0.4, 900],
  ] as const) {
    const { ticks, position } = logScale(lowest, highest, tickOf(latency));
    assert.ok(position(lowest) >= 0 && position(highest) <= 1.0001, `${lowest} to ${highest}`);
    assert.ok(ticks.length >= 2 && ticks.length <= 9, `${ticks.length} ticks from ${lowest} to ${highest}`);
    const factor = position(lowest * 4) - position(lowest * 2);
    assert.ok(Math.abs(position(lowest * 2) - position(lowest) - factor) < 1e-9);
  }
});

const CALM: LiveSample = {
  ...{ atMs: 0, operationsTotal: 1000, failedTotal: 0, operationsPerSec: 100, failedPerSec: 0, retriesPerSec: 0 },
  ...{ bytesReadPerSec: 0, bytesWrittenPerSec: 0, batchesPerSec: 1, operationsPerBatch: 100, hitRate: 1, errorRate: 0 },
  ...{ coalescedShare: 0, compressionRatio: 1, pending: 0, waiting: 0, inFlightBatches: 0, activeConnections: 1 },
  ...{ idleConnections: 0, circuit: "closed", cache: null, loopLagMs: 0, latency: {} },
};
const DETAIL: LiveDetail = { backend: "redis", checks: [], latency: {}, objectives: [] };
const OBJECTIVE: ObjectiveFigures = {
  ...{ operation: "get", percentile: 99, latencyMs: 1, total: 1, compliance: 1, isMet: true, measuredMs: 0 },
  ...{ budgetRemaining: 1, windows: [], burning: null },
};

test("the first thing to know is the worst", () => {
  const verdict = (samples: readonly LiveSample[], detail?: LiveDetail): string => {
    const { state, text } = verdictOf(samples, detail);
    return `${state}: ${text}`;
  };
  assert.equal(verdict([]), "unknown: Waiting for figures");
  assert.equal(verdict([CALM], DETAIL), "good: Healthy");
  assert.equal(verdict([{ ...CALM, circuit: "half-open" }], DETAIL), "warn: Circuit half-open");
  const ticket: LiveDetail = { ...DETAIL, objectives: [OBJECTIVE, { ...OBJECTIVE, burning: "ticket" }] };
  assert.equal(verdict([CALM], ticket), "warn: Budget of get p99 burns");
  const page: LiveDetail = {
    ...DETAIL,
    objectives: [...ticket.objectives, { ...OBJECTIVE, operation: "put", burning: "page" }],
  };
  assert.equal(verdict([CALM], page), "bad: Budget of put p99 burns");
  assert.equal(verdict([CALM, { ...CALM, failedPerSec: 10 }], page), "bad: 5.0 % of operations fail");
  assert.equal(verdict([{ ...CALM, failedPerSec: 50, waiting: 7 }], page), "bad: Queue full, 7 callers wait");
  const lost: LiveDetail = { ...page, checks: [{ name: "store", ok: false, detail: "" }] };
  assert.equal(verdict([{ ...CALM, waiting: 7 }], lost), "bad: Store unreachable");
  assert.equal(verdict([{ ...CALM, circuit: "open" }], lost), "bad: Circuit open");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationMeters } from "../../../src/observability/operation-meters.js";
import { formatSloReport, type SloBurn, type SloObjective } from "../../../src/observability/slo-report.js";
import { SloTracker } from "../../../src/observability/slo-tracker.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const GET_99: SloObjective = { operation: "get", percentile: 99, latencyMs: 1 };

function setUp(objectives: readonly SloObjective[]) {
  const meters = new OperationMeters(["get", "put"], 0);
  const burns: SloBurn[] = [];
  const tracker = new SloTracker(meters, objectives, (burn) => void burns.push(burn));
  let nowMs = 0;
  return {
    meters,
    tracker,
    burns,
    /** So many gets in every minute of a span, of which so many are slow. */
    run(spanMs: number, total: number, slow: number): void {
      for (const end = nowMs + spanMs; nowMs < end; nowMs += MINUTE) {
        meters.advance(nowMs);
        meters.latency[0]!.recordMany(500, total - slow);
        if (slow > 0) meters.latency[0]!.recordMany(5000, slow);
        meters.drain();
        tracker.judge(nowMs);
      }
    },
    report: () => tracker.report(nowMs, 0).objectives[0]!,
  };
}

test("compliance and what is left of the budget follow from the share of slow operations", () => {
  const { run, report } = setUp([GET_99]);
  run(10 * MINUTE, 1000, 4);
  const objective = report();
  assert.equal(objective.total, 10_000);
  assert.equal(objective.bad, 40);
  assert.equal(objective.compliance, 0.996);
  assert.equal(objective.isMet, true);
  assert.ok(Math.abs(objective.budgetRemaining - 0.6) < 1e-9);
  assert.ok(Math.abs(objective.windows[0]!.burnRate - 0.4) < 1e-9);
  assert.equal(objective.burning, null);
});

test("exactly as many slow operations as are allowed meet an objective, one more misses it", () => {
  for (const [slow, isMet] of [
    [1, true],
    [2, false],
  ] as const) {
    const { run, report } = setUp([{ operation: "get", percentile: 99.9, latencyMs: 1 }]);
    run(MINUTE, 1000, slow);
    assert.equal(report().isMet, isMet, `${slow} of 1000`);
  }
});

test("an operation that takes exactly as long as allowed is good", () => {
  const { meters, report } = setUp([GET_99]);
  meters.latency[0]!.recordMany(1000, 5);
  meters.latency[0]!.recordMany(1010, 2);
  meters.drain();
  assert.deepEqual([report().total, report().bad], [7, 2]);
});

test("failures are bad however fast they were, and what callers aborted does not count", () => {
  const { meters, tracker, report } = setUp([GET_99]);
  const fail = (us: number, wasAborted: boolean): void => {
    meters.latency[0]!.record(us);
    tracker.failed(0, us, wasAborted);
  };
  meters.latency[0]!.recordMany(100, 10);
  fail(100, false);
  fail(9000, false);
  fail(100, true);
  fail(9000, true);
  tracker.failed(1, 100, false);
  meters.drain();
  assert.deepEqual([report().total, report().bad], [12, 2]);
});

test("a budget that burns is told once, by the window it shows in first, and so is its recovery", () => {
  const { run, burns, report } = setUp([GET_99]);
  run(HOUR, 1000, 0);
  run(20 * MINUTE, 1000, 500);
  const pages = burns.filter(({ severity }) => severity === "page");
  assert.deepEqual(
    pages.map(({ state, longWindow, threshold }) => [state, longWindow, threshold]),
    [
      ["burning", "6h", 6],
      ["burning", "1h", 14.4],
    ],
  );
  assert.ok(
    pages.every(({ longBurnRate, shortBurnRate, threshold }) => Math.min(longBurnRate, shortBurnRate) >= threshold),
  );
  assert.equal(report().burning, "page");
  burns.length = 0;
  run(6 * MINUTE, 1000, 0);
  assert.deepEqual(
    burns.map(({ state, longWindow }) => [state, longWindow]),
    [["recovered", "1h"]],
    "the short window ends it while the long one is still above",
  );
  assert.ok(burns[0]!.longBurnRate >= 14.4);
  run(34 * MINUTE, 1000, 0);
  assert.deepEqual(
    burns.map(({ state, longWindow }) => [state, longWindow]),
    [
      ["recovered", "1h"],
      ["recovered", "6h"],
    ],
  );
  assert.equal(report().burning, "ticket");
});

test("a slow leak makes a ticket and no page", () => {
  const { run, burns, report } = setUp([GET_99]);
  run(6 * HOUR, 1000, 20);
  assert.deepEqual(
    burns.map(({ state, severity }) => [state, severity]),
    [["burning", "ticket"]],
  );
  assert.equal(report().burning, "ticket");
});

test("a few slow operations in little traffic are no burning budget", () => {
  const { run, burns } = setUp([GET_99]);
  run(4 * MINUTE, 3, 2);
  assert.deepEqual(burns, []);
});

test("an objective that allows no slow operation is met without one and overdrawn by the first", () => {
  const { run, report } = setUp([{ operation: "get", percentile: 100, latencyMs: 1 }]);
  run(MINUTE, 10, 0);
  assert.deepEqual([report().isMet, report().budgetRemaining, report().windows[0]!.burnRate], [true, 1, 0]);
  run(MINUTE, 10, 1);
  assert.equal(report().isMet, false);
  assert.equal(report().budgetRemaining, Number.NEGATIVE_INFINITY);
  assert.equal(report().windows[0]!.burnRate, Number.POSITIVE_INFINITY);
});

test("without operations an objective is met and nothing of its budget is gone", () => {
  const { report } = setUp([GET_99]);
  const { total, compliance, isMet, budgetRemaining, measuredMs } = report();
  assert.deepEqual([total, compliance, isMet, budgetRemaining, measuredMs], [0, 1, true, 1, 0]);
});

test("what was bad leaves the windows one after the other", () => {
  const { run, report } = setUp([GET_99]);
  run(5 * MINUTE, 1000, 100);
  run(8 * HOUR, 1000, 0);
  const rates = Object.fromEntries(report().windows.map(({ window, burnRate }) => [window, burnRate]));
  assert.deepEqual([rates["5m"], rates["30m"], rates["1h"], rates["6h"]], [0, 0, 0, 0]);
  assert.ok(rates["3d"]! > 0);
});

test("the text report says of each objective whether it is met and how fast its budget goes", () => {
  const { run, tracker } = setUp([GET_99]);
  run(HOUR, 1000, 300);
  const text = formatSloReport(tracker.report(HOUR, 0));
  assert.match(text, /^get p99 <= 1 ms: MISSED$/m);
  assert.match(text, /70 % of 60,000 operations good, 99 % wanted/);
  assert.match(text, /error budget left -2900 %, burn rates 5m 30, 30m 30, 1h 30, 6h 30, 3d 30/);
  assert.match(text, /BURNING \(page\)/);
  assert.equal(formatSloReport({ ...tracker.report(HOUR, 0), objectives: [] }), "no objectives (option slo)");
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LatencyRecorder } from "../../../bench/lib/latency-recorder.js";
import { runClosedLoop, runEach } from "../../../bench/load/closed-loop.js";
import { runOpenLoop } from "../../../bench/load/open-loop.js";

/** Answers in the next turn, but holds back everything asked for in the middle of the run. */
function stallingSubject(afterMs: number, stallMs: number): () => Promise<true> {
  const start = performance.now();
  return () =>
    new Promise((resolve) => {
      const now = performance.now() - start;
      const held = now >= afterMs && now < afterMs + stallMs;
      if (held) setTimeout(() => resolve(true), afterMs + stallMs - now);
      else setImmediate(() => resolve(true));
    });
}

describe("the open loop", () => {
  test("counts what was due during a stall of the subject from when it was due", async () => {
    const { recorder, operations, intended, errors } = await runOpenLoop({
      issue: stallingSubject(100, 200),
      ratePerSec: 2000,
      durationMs: 600,
    });
    assert.deepEqual([operations, intended, errors], [1200, 1200, 0]);
    // A third of what was offered fell into the stall, evenly spread over 0..200 ms of waiting.
    const p85 = recorder.toHistogram().getValueAtPercentile(85) / 10_000;
    assert.ok(p85 > 90, `15 % waited longer than ${p85} ms`);
    assert.ok(recorder.summary().maxUs >= 190_000);
  });

  test("counts what was due while the event loop itself stood still", async () => {
    let calls = 0;
    const { recorder, operations } = await runOpenLoop({
      issue: async () => {
        if (++calls === 100) {
          const until = performance.now() + 100;
          while (performance.now() < until);
        }
        return true;
      },
      ratePerSec: 1000,
      durationMs: 500,
    });
    assert.equal(operations, 500);
    const late = recorder.toHistogram().getValueAtPercentile(90) / 10_000;
    assert.ok(late > 40, `a fifth was due in those 100 ms, so the slowest tenth waited over 40 ms; got ${late}`);
  });

  test("the closed loop shows the same stall in one sample per task only", async () => {
    const recorder = new LatencyRecorder();
    await runClosedLoop({ issue: stallingSubject(100, 200), inFlight: 1, durationMs: 600, recorder });
    const histogram = recorder.toHistogram();
    assert.ok(histogram.getValueAtPercentile(99) < 10_000 * 50);
    assert.ok(histogram.maxValue > 10_000 * 190);
  });

  test("an operation that fails, or finds nothing, is an error and still counted", async () => {
    let calls = 0;
    const { operations, errors } = await runOpenLoop({
      issue: async () => {
        calls++;
        if (calls % 4 === 0) throw new Error("refused");
        return calls % 4 === 1 ? null : true;
      },
      ratePerSec: 1000,
      durationMs: 100,
    });
    assert.deepEqual([operations, errors], [100, 50]);
  });

  test("offers one operation however slow the rate is", async () => {
    let calls = 0;
    const issue = async (): Promise<never> => {
      calls++;
      throw new Error("refused");
    };
    const { operations, errors } = await runOpenLoop({ issue, ratePerSec: 0.1, durationMs: 30, warmUpMs: 15 });
    assert.deepEqual([calls, operations, errors], [1, 1, 1]);
  });

  test("the warm-up is offered but not counted", async () => {
    let calls = 0;
    const { operations } = await runOpenLoop({
      issue: async () => {
        calls++;
        return true;
      },
      ratePerSec: 1000,
      durationMs: 50,
      warmUpMs: 50,
    });
    assert.deepEqual([operations, calls], [50, 100]);
  });
});

describe("the closed loop", () => {
  test("neither counts nor times what runs to warm up", async () => {
    const recorder = new LatencyRecorder();
    let calls = 0;
    const issue = (): Promise<boolean> => {
      calls++;
      return new Promise((resolve) => setImmediate(() => resolve(true)));
    };
    const { operations } = await runClosedLoop({ issue, inFlight: 1, durationMs: 50, warmUpMs: 50, recorder });
    const { totalCount } = recorder.toHistogram();
    assert.ok(operations < calls);
    assert.ok(Math.abs(totalCount - operations) <= 1, `${totalCount} of ${operations} were timed`);
  });

  test("keeps exactly so many operations in flight", async () => {
    let inFlight = 0;
    let most = 0;
    const result = await runClosedLoop({
      issue: async () => {
        most = Math.max(most, ++inFlight);
        await new Promise(setImmediate);
        inFlight--;
        return true;
      },
      inFlight: 17,
      durationMs: 30,
    });
    assert.equal(most, 17);
    assert.equal(inFlight, 0);
    assert.ok(result.operations >= 17 && result.errors === 0);
  });

  test("ends although the subject never leaves the turn", async () => {
    const { operations } = await runClosedLoop({ issue: async () => true, inFlight: 3, durationMs: 20 });
    // It looks at the clock once in so many.
    assert.ok(operations >= 256);
  });

  test("gives up on a subject that only refuses", async () => {
    const { errors } = await runClosedLoop({
      issue: async () => {
        throw new Error("refused");
      },
      inFlight: 10,
      durationMs: 60_000,
    });
    assert.ok(errors >= 10_000 && errors < 10_100);
  });

  test("times every operation with the recorder and none without", async () => {
    const recorder = new LatencyRecorder();
    const issue = (): Promise<true> => new Promise((resolve) => setImmediate(() => resolve(true)));
    const { operations } = await runClosedLoop({ issue, inFlight: 5, durationMs: 20, recorder });
    assert.equal(recorder.count, operations);
  });

  test("runEach visits every index once", async () => {
    const seen: number[] = [];
    const errors = await runEach(100, 7, async (index) => {
      seen.push(index);
      if (index === 50) throw new Error("one fails");
    });
    assert.equal(errors, 1);
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      Array.from({ length: 100 }, (_, index) => index),
    );
  });
});

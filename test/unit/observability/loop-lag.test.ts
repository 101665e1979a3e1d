import assert from "node:assert/strict";
import { test } from "node:test";
import { LoopLag } from "../../../src/observability/loop-lag.js";
import { VirtualLoop } from "../../support/virtual-loop.js";

test("a loop that turns has no lag", () => {
  const loop = new VirtualLoop();
  const lag = new LoopLag(loop);
  lag.start();
  loop.clock.advance(5000);
  assert.deepEqual([lag.currentMs, lag.worstMs], [0, 0]);
  lag.stop();
});

test("lag shows while the loop is held up, stays for the moment after it, and is forgotten after ten seconds", () => {
  const loop = new VirtualLoop();
  const lag = new LoopLag(loop);
  lag.start();
  loop.clock.advance(1050);
  loop.work(250);
  assert.ok(lag.currentMs >= 199, "overdue");
  loop.clock.advance(60);
  assert.ok(lag.currentMs >= 199, "just over");
  loop.clock.advance(5000);
  assert.equal(lag.currentMs, 0);
  assert.ok(lag.worstMs >= 199);
  loop.clock.advance(6000);
  assert.equal(lag.worstMs, 0);
  lag.stop();
});

test("once stopped it sets no timers", () => {
  const loop = new VirtualLoop();
  const lag = new LoopLag(loop);
  lag.start();
  lag.stop();
  assert.equal(loop.clock.pending, 0);
});

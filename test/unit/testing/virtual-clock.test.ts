import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../../../src/testing/index.js";

test("a virtual clock stands still until it is told to go on, and carries wall time along", () => {
  const clock = new VirtualClock(100, 5000);
  assert.equal(clock.monotonicMs(), 100);
  clock.advance(2.5);
  assert.equal(clock.monotonicMs(), 102.5);
  assert.equal(clock.wallMs(), 5002.5);
  clock.jumpWall(-1000);
  assert.equal(clock.monotonicMs(), 102.5);
  assert.equal(clock.wallMs(), 4002.5);
  assert.throws(() => clock.advance(-1), RangeError);
});

test("alarms run at their own times, in their order, and may set others on the way", () => {
  const clock = new VirtualClock();
  const rung: string[] = [];
  const ring = (name: string) => (): void => {
    rung.push(`${name}@${clock.monotonicMs()}`);
  };
  clock.after(20, ring("late"));
  clock.after(10, () => {
    ring("early")();
    clock.after(5, ring("nested"));
  });
  const callOff = clock.after(15, ring("called off"));
  clock.after(10, ring("second"));
  callOff();
  clock.advance(9);
  assert.deepEqual(rung, []);
  clock.advance(100);
  assert.deepEqual(rung, ["early@10", "second@10", "nested@15", "late@20"]);
  assert.equal(clock.pending, 0);
});

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { BusyPoll, polledMs } from "../../../src/core/busy-poll.js";

const LIMIT_MS = 0.05;
const TURN_MS = 0.002;

/** A thread that waits for answers: how long each takes depends on whether it is awake when it comes. */
class Machine {
  processors = 2;
  awakeMs = 0.02;
  asleepMs = 0.07;
  preemptionsPerWait = 0;
  /** One of so many waits awake takes so long instead. */
  isLateOnceIn = Number.POSITIVE_INFINITY;
  lateMs = 1;
  turns = 0;
  #now = 0;
  #waitsAwake = 0;
  #preemptions = 0;
  #next: (() => void) | undefined;

  nowMs(): number {
    return this.#now;
  }

  inNextTurn(run: () => void): void {
    assert.equal(this.#next, undefined, "one turn at a time");
    this.#next = run;
  }

  preemptions(): number {
    return Math.floor(this.#preemptions);
  }

  get isAwake(): boolean {
    return this.#next !== undefined;
  }

  /** Turns the loop as long as it is kept awake, at most for so long. */
  pass(ms: number): void {
    const untilMs = this.#now + ms;
    while (this.#next !== undefined && this.#now < untilMs) this.turn(TURN_MS);
    this.#now = Math.max(this.#now, untilMs);
  }

  turn(tookMs: number): void {
    const run = this.#next;
    this.#next = undefined;
    this.#now += tookMs;
    this.turns++;
    run?.();
  }

  /** Sends something and has its answer. @returns whether this thread was kept awake for it to the end */
  ask(poll: BusyPoll): boolean {
    poll.expect();
    this.#preemptions += this.preemptionsPerWait;
    const isLate = this.isAwake && ++this.#waitsAwake % this.isLateOnceIn === 0;
    this.pass(isLate ? this.lateMs : this.isAwake ? this.awakeMs : this.asleepMs);
    const wasAwake = this.isAwake || isLate;
    poll.answered(true);
    this.pass(TURN_MS);
    return wasAwake;
  }

  /** @returns the share of the answers for which it was kept awake */
  askOften(poll: BusyPoll, times: number): number {
    let awake = 0;
    for (let i = 0; i < times; i++) if (this.ask(poll)) awake++;
    return awake / times;
  }
}

let machine: Machine;
let poll: BusyPoll;
beforeEach(() => {
  machine = new Machine();
  poll = new BusyPoll(LIMIT_MS, machine);
});

test("a store that answers sooner than one falls asleep and is woken is waited for awake", () => {
  machine.askOften(poll, 1000);
  assert.ok(machine.askOften(poll, 20_000) > 0.95);
});

test("a store that is far away is slept for", () => {
  Object.assign(machine, { awakeMs: 0.2, asleepMs: 0.22 });
  machine.askOften(poll, 1000);
  const before = machine.turns;
  machine.askOften(poll, 20_000);
  assert.ok((machine.turns - before) * TURN_MS < 0.04 * 20_000 * LIMIT_MS);
});

test("answers that come no sooner by it are slept for, near as they are", () => {
  Object.assign(machine, { awakeMs: 0.03, asleepMs: 0.032 });
  machine.askOften(poll, 1000);
  assert.ok(machine.askOften(poll, 20_000) < 0.04);
});

test("where it makes one answer of fifty come much later it sleeps, though the mean is better for it", () => {
  Object.assign(machine, { awakeMs: 0.03, asleepMs: 0.066, isLateOnceIn: 50 });
  machine.askOften(poll, 1000);
  assert.ok(machine.askOften(poll, 50_000) < 0.1);
});

test("nobody stays awake for more than a millisecond at a stretch", () => {
  machine.askOften(poll, 20_000);
  let awakeMs = 0;
  let longestMs = 0;
  for (let i = 0; i < 5000; i++) {
    const beganMs = machine.nowMs();
    const isAwake = machine.ask(poll);
    awakeMs = isAwake ? awakeMs + machine.nowMs() - beganMs : 0;
    longestMs = Math.max(longestMs, awakeMs);
  }
  assert.ok(longestMs > 0.9 && longestMs < 1.1, `${longestMs} ms`);
});

test("where others want the processor it is left to them, though answers come sooner otherwise", () => {
  machine.preemptionsPerWait = 0.2;
  machine.askOften(poll, 1000);
  assert.ok(machine.askOften(poll, 50_000) < 0.05);
  machine.preemptionsPerWait = 0.01;
  machine.askOften(poll, 10_000);
  assert.ok(machine.askOften(poll, 20_000) > 0.95);
});

test("a store that the system has put on the same core for now is no crowd", () => {
  machine.preemptionsPerWait = 1;
  machine.askOften(poll, 1000);
  assert.ok(machine.askOften(poll, 20_000) > 0.9);
});

test("one late answer of thousands, as collections of garbage make them, does not count", () => {
  Object.assign(machine, { isLateOnceIn: 3000, lateMs: 10 });
  machine.askOften(poll, 1000);
  assert.ok(machine.askOften(poll, 50_000) > 0.95);
});

test("what a machine was like is forgotten within a few thousand answers", () => {
  assert.ok(machine.askOften(poll, 30_000) > 0.95);
  Object.assign(machine, { awakeMs: 0.1, asleepMs: 0.07 });
  machine.askOften(poll, 5000);
  assert.ok(machine.askOften(poll, 20_000) < 0.05);
  Object.assign(machine, { awakeMs: 0.02, asleepMs: 0.07 });
  machine.askOften(poll, 20_000);
  assert.ok(machine.askOften(poll, 20_000) > 0.95);
});

test("what a heavier load was like is forgotten within a few hundred answers", () => {
  Object.assign(machine, { awakeMs: 0.5, asleepMs: 0.55 });
  machine.askOften(poll, 20_000);
  Object.assign(machine, { awakeMs: 0.03, asleepMs: 0.07 });
  machine.askOften(poll, 400);
  const awake = machine.askOften(poll, 1000);
  assert.ok(awake > 0.8, `${awake}`);
});

test("what a crowd was like is forgotten within a few hundred answers, when it went with longer waits", () => {
  Object.assign(machine, { awakeMs: 0.3, asleepMs: 0.4, preemptionsPerWait: 0.5 });
  machine.askOften(poll, 20_000);
  Object.assign(machine, { awakeMs: 0.03, asleepMs: 0.07, preemptionsPerWait: 0.01 });
  machine.askOften(poll, 400);
  const awake = machine.askOften(poll, 1000);
  assert.ok(awake > 0.8, `${awake}`);
});

test("where loads change all the time the other way is still tried seldom", () => {
  machine.preemptionsPerWait = 0.5;
  let awake = 0;
  const changes = 200;
  for (let change = 0; change < changes; change++) {
    Object.assign(machine, change % 2 === 0 ? { awakeMs: 0.01, asleepMs: 0.03 } : { awakeMs: 0.04, asleepMs: 0.1 });
    awake += machine.askOften(poll, 320);
  }
  assert.ok(awake < 0.07 * changes, `${awake} of ${changes}`);
});

test("a slow beginning, with code that is not compiled yet, is forgotten too", () => {
  Object.assign(machine, { awakeMs: 0.4, asleepMs: 0.5 });
  machine.askOften(poll, 500);
  Object.assign(machine, { awakeMs: 0.02, asleepMs: 0.07 });
  machine.askOften(poll, 5000);
  assert.ok(machine.askOften(poll, 20_000) > 0.95);
});

test("with a single processor, and where it is not wanted, the loop is left alone", () => {
  machine.processors = 1;
  assert.equal(machine.askOften(new BusyPoll(LIMIT_MS, machine), 1000), 0);
  machine.processors = 2;
  assert.equal(machine.askOften(new BusyPoll(0, machine), 1000), 0);
  assert.equal(machine.turns, 0);
});

test("an answer that does not come is waited for no longer than the limit, from the last that was sent", () => {
  machine.askOften(poll, 1000);
  poll.expect();
  machine.pass(LIMIT_MS / 2);
  poll.expect();
  machine.pass(LIMIT_MS / 2);
  assert.ok(machine.isAwake);
  machine.pass(LIMIT_MS);
  assert.ok(!machine.isAwake);
});

test("while another answer is due it stays awake for that, and not after the last", () => {
  machine.askOften(poll, 1000);
  poll.expect();
  machine.pass(TURN_MS);
  poll.answered(false);
  machine.pass(LIMIT_MS / 2);
  assert.ok(machine.isAwake);
  poll.answered(true);
  machine.pass(TURN_MS);
  assert.ok(!machine.isAwake);
});

test("an answer to what nobody waits for, as after a large batch, is no wait", () => {
  for (let i = 0; i < 1000; i++) poll.answered(true);
  assert.ok(!machine.isAwake);
  machine.askOften(poll, 1000);
  assert.ok(machine.askOften(poll, 20_000) > 0.95);
});

test("turns without work are counted as such, and those with work are not", () => {
  machine.askOften(poll, 1000);
  poll.expect();
  const before = polledMs();
  machine.turn(0.003);
  machine.turn(0.5);
  assert.ok(Math.abs(polledMs() - before - 0.003) < 1e-9);
});

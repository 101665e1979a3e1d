import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch } from "../../../src/backends/batch.js";
import { Kind, Request } from "../../../src/backends/request.js";
import { summaryOfCounts } from "../../../src/observability/latency-summary.js";
import { PHASES } from "../../../src/observability/operation-meters.js";
import type { BatchPhases, PipelineWatcher } from "../../../src/pipeline/pipeline-watcher.js";
import { METERED_OPERATIONS, SettlementTimes } from "../../../src/pipeline/settlement-times.js";
import { VirtualLoop } from "../../support/virtual-loop.js";

interface Slow {
  readonly key: string;
  readonly elapsedUs: number;
  readonly phases: BatchPhases;
}

function setUp(slowUs = 1_000_000) {
  const loop = new VirtualLoop();
  const slow: Slow[] = [];
  const watcher: PipelineWatcher = {
    slowUs,
    slow: (request, _batch, phases, elapsedUs) => void slow.push({ key: request.key, elapsedUs, phases }),
    failed: () => {},
    retried: () => {},
    circuitChanged: () => {},
  };
  const nowUs = (): number => (loop.nowMs() * 1000) | 0;
  const owner = {
    nowUs,
    requestSucceeded: () => {},
    requestFailed: () => {},
    batchCompleted: () => {},
    defersDecoding: () => false,
  };
  let order = 0;
  const call = (kind: Kind, key: string): Request => {
    const request = new Request(kind, key, undefined, 0, undefined, nowUs(), 1000);
    request.order = ++order;
    return request;
  };
  const plan = (reads: Request[], puts: Request[] = []): Batch => {
    const batch = new Batch(owner);
    batch.reads.push(...reads);
    batch.puts.push(...puts);
    batch.size = reads.length + puts.length;
    batch.plannedAtUs = nowUs();
    batch.sentAtUs = nowUs();
    return batch;
  };
  return { loop, times: new SettlementTimes(loop, watcher), slow, call, plan };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const index = (name: (typeof METERED_OPERATIONS)[number]): number => METERED_OPERATIONS.indexOf(name);

test("however many settle in one turn, each is timed to its end", async () => {
  const { loop, times, call, plan } = setUp();
  const gets = Array.from({ length: 10_000 }, (_, key) => call(Kind.get, `${key}`));
  const batch = plan(gets);
  for (const get of gets) {
    loop.clock.advance(0.001);
    times.note(get, batch);
  }
  await turn();
  times.meters.drain();
  const { count, meanUs } = summaryOfCounts(times.meters.latency[index("get")]!.totals);
  assert.equal(count, 10_000);
  assert.ok(Math.abs(meanUs - 10_000) < 100, `the first ones waited for the last: 10 ms on average, not ${meanUs} us`);
});

test("an operation's time ends when all that arrived with it is settled, and its phases add up to it", async () => {
  const { loop, times, call, plan } = setUp();
  const get = call(Kind.get, "a");
  loop.clock.advance(1);
  const put = call(Kind.put, "b");
  loop.clock.advance(2);
  const batch = plan([get], [put]);
  loop.clock.advance(0.5);
  batch.stampWritten();
  loop.clock.advance(10);
  batch.stampResults();
  loop.clock.advance(0.25);
  times.note(get, batch);
  loop.clock.advance(0.25);
  times.note(put, batch);
  await turn();
  times.meters.drain();
  const mean = (operation: "get" | "put"): number[] => [
    summaryOfCounts(times.meters.latency[index(operation)]!.totals).meanUs,
    ...PHASES.map((phase) => summaryOfCounts(times.meters.phases[phase][index(operation)]!.totals).meanUs),
  ];
  const near = (measured: number[], expected: number[]): void => {
    for (const [at, us] of expected.entries()) assert.ok(Math.abs(measured[at]! - us) <= us * 0.004, `${measured}`);
  };
  near(mean("get"), [14_000, 3000, 500, 10_000, 500]);
  near(mean("put"), [13_000, 2000, 500, 10_000, 500]);
});

test("the slow ones of a batch that arrives in two parts are reported once, each with its own time", async () => {
  const { loop, times, slow, call, plan } = setUp(5000);
  const early = call(Kind.get, "early");
  loop.clock.advance(2);
  const late = [call(Kind.get, "late 1"), call(Kind.get, "late 2")];
  const batch = plan([early, ...late]);
  loop.clock.advance(4);
  times.note(early, batch);
  times.note(late[0]!, batch);
  await turn();
  assert.deepEqual(
    slow.map(({ key, elapsedUs }) => [key, elapsedUs]),
    [["early", 6000]],
  );
  loop.clock.advance(3);
  times.note(late[1]!, batch);
  await turn();
  assert.deepEqual(
    slow.map(({ key, elapsedUs }) => [key, elapsedUs]),
    [
      ["early", 6000],
      ["late 2", 7000],
    ],
  );
  assert.equal(times.slowByOperation[index("get")], 2);
});

test("where everything is slow all are counted and a few of each batch are looked into", async () => {
  const { loop, times, slow, call, plan } = setUp(0);
  const requests = Array.from({ length: 500 }, (_, i) => call(Kind.get, `key ${i}`));
  const batch = plan(requests);
  loop.clock.advance(1);
  for (const request of requests) times.note(request, batch);
  await turn();
  assert.equal(times.slowByOperation[index("get")], 500);
  assert.equal(slow.length, 16);
});

test("more operations than fit into the notes are all recorded", async () => {
  const { times, call, plan } = setUp();
  const requests = Array.from({ length: 10_000 }, (_, i) => call(i % 3 === 0 ? Kind.put : Kind.get, `key ${i}`));
  const batch = plan(requests);
  for (const request of requests) times.note(request, batch);
  await turn();
  assert.equal(times.meters.latency[index("get")]!.count + times.meters.latency[index("put")]!.count, 10_000);
  assert.equal(times.meters.latency[index("put")]!.count, 3334);
});

test("keys of a multi-key call are timed by phase under the call's name, and not as single operations", async () => {
  const { times, call, plan } = setUp();
  const member = call(Kind.get, "a");
  member.collector = { call: 0, settle: () => {}, fail: () => {} };
  const batch = plan([member]);
  times.note(member, batch);
  await turn();
  assert.equal(times.meters.latency[index("get")]!.count, 0);
  assert.equal(times.meters.latency[index("batchGet")]!.count, 0);
  assert.equal(times.meters.phases.queue[index("batchGet")]!.count, 1);
});

test("what is answered at once counts in the window in which it was", () => {
  const { times } = setUp();
  for (let i = 0; i < 7; i++) times.recordAtOnce(Kind.get, 1000);
  for (let i = 0; i < 3; i++) times.recordAtOnce(Kind.get, 30_000);
  times.meters.drain();
  const recorder = times.meters.latency[Kind.get]!;
  const counted = (nowMs: number, spanMs: number): number => {
    return recorder.window(nowMs, spanMs).reduce((sum, count) => sum + count, 0);
  };
  assert.deepEqual([counted(30_500, 10_000), counted(30_500, 60_000), recorder.count], [3, 10, 10]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../../src/backends/batch.js";
import type { Driver } from "../../../src/backends/contract.js";
import { CompareAndSwapDetail, Kind, Request, type RequestDetail } from "../../../src/backends/request.js";
import type { StateError } from "../../../src/core/errors.js";
import type { Value } from "../../../src/core/value.js";
import { Pipeline } from "../../../src/pipeline/pipeline.js";
import { VirtualLoop } from "../../support/virtual-loop.js";

const OPERATION_MS = 3000;
const OPTIONS = {
  ...{ maxSize: 64, maxBytes: 1 << 20, maxInFlight: 8, lingerMs: 0, maxPending: 100_000, overflow: "wait" as const },
  ...{ operationMs: OPERATION_MS, retry: { retries: 0, baseDelayMs: 1, maxDelayMs: 1, jitter: 0 } },
  circuitBreaker: { failures: 3, resetMs: 60_000 },
};

interface Ending {
  readonly name: string;
  readonly result?: unknown;
  readonly code?: string | undefined;
  readonly atMs: number;
}

/** A pipeline over a store that answers when it is told to, and takes nothing while it is away. */
function scene(isAway = false) {
  const loop = new VirtualLoop();
  const sent: Batch[] = [];
  const driver = {
    name: "held",
    capabilities: { maxInFlight: 8, expiry: true, transactions: true },
    isWritable: () => !isAway,
    execute: (batch: Batch) => void sent.push(batch),
  } as unknown as Driver;
  const pipeline = new Pipeline(driver, OPTIONS, undefined, loop);
  const endings: Ending[] = [];
  const startMs = loop.nowMs();
  const end = (ending: Omit<Ending, "atMs">): void => void endings.push({ ...ending, atMs: loop.nowMs() - startMs });
  return {
    ...{ loop, sent, pipeline, endings },
    call(name: string, kind: Kind, { value, detail, timeoutMs = OPERATION_MS, signal }: CallShape = {}): void {
      const request = new Request(kind, name, value, 0, detail, pipeline.nowUs(), timeoutMs);
      request.signal = signal;
      request.resolve = (result) => end({ name: `${name}:${kind}`, result });
      request.reject = (error) => end({ name: `${name}:${kind}`, code: (error as StateError).code });
      pipeline.submit(request);
    },
    async turns(): Promise<void> {
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
    async pass(ms: number): Promise<void> {
      loop.clock.advance(ms);
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

interface CallShape {
  readonly value?: Value;
  readonly detail?: RequestDetail;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

test("a deadline is met whatever deadlines were called before it", async () => {
  for (const longerMs of [3001, 60_000, 1_800_000]) {
    const { call, pass, endings, turns } = scene(true);
    call("patient", Kind.get, { timeoutMs: longerMs });
    await turns();
    await pass(500);
    call("usual", Kind.get);
    await turns();
    await pass(OPERATION_MS);
    assert.deepEqual(
      endings.filter(({ name }) => name === "usual:0"),
      [{ name: "usual:0", code: "TIMEOUT", atMs: 3500 }],
    );
    call("hurried", Kind.get, { timeoutMs: 100 });
    await turns();
    await pass(100);
    assert.deepEqual(endings.at(-1), { name: "hurried:0", code: "TIMEOUT", atMs: 3600 });
  }
});

test("what waits for calls to end waits no longer than they do while the store is away", async () => {
  const { call, pass, endings, pipeline, turns } = scene(true);
  call("put", Kind.put, { value: "value" });
  const ended: string[] = [];
  void pipeline.flush().then(() => ended.push("flush"));
  void pipeline.runAlone(async () => void ended.push("alone"));
  await turns();
  assert.deepEqual(ended, []);
  await pass(OPERATION_MS);
  assert.equal(endings.length, 1);
  assert.deepEqual(ended.sort(), ["alone", "flush"]);
});

test("what waits for a call to end goes on when it is aborted", async () => {
  const { call, pipeline, turns } = scene(true);
  const controller = new AbortController();
  call("put", Kind.put, { value: "value", signal: controller.signal });
  const ended: string[] = [];
  void pipeline.flush().then(() => ended.push("flush"));
  await turns();
  assert.deepEqual(ended, []);
  controller.abort();
  await turns();
  assert.deepEqual(ended, ["flush"]);
});

test("deadlines that pass behind work that runs alone do not open the circuit", async () => {
  const { call, pass, endings, pipeline, turns } = scene();
  let finish: () => void = () => {};
  void pipeline.runAlone(() => new Promise<void>((resolve) => (finish = resolve)));
  await turns();
  for (let second = 0; second < 10; second++) {
    call(`key ${second}`, Kind.get);
    await pass(1000);
  }
  await pass(OPERATION_MS);
  assert.deepEqual(new Set(endings.map(({ code }) => code)), new Set(["TIMEOUT"]));
  assert.equal(pipeline.circuit, "closed");
  finish();
});

test("bytes whose call was given up may be used again: nothing that is still under way looks at them", async () => {
  const { call, pass, sent, endings, turns } = scene();
  const given = Buffer.from("given");
  const expected = Buffer.from("expected");
  call("key", Kind.put, { value: given, timeoutMs: 100 });
  call("key", Kind.get);
  const swap = { expected, next: given };
  call("other", Kind.compareAndSwap, { value: given, detail: swap, timeoutMs: 100 });
  const steps = [{ type: "put", key: "third", value: given, ttlMs: 0 }] as const;
  call("third", Kind.transaction, { detail: steps, timeoutMs: 100 });
  await turns();
  await pass(100);
  assert.equal(endings.length, 3);
  given.fill("x");
  expected.fill("x");
  const [batch] = sent;
  assert.equal(String(batch!.puts[0]!.value), "given");
  const [swapped, transaction] = batch!.others;
  assert.equal(String(swapped!.value), "given");
  assert.deepEqual(swapped!.detail, new CompareAndSwapDetail(Buffer.from("expected"), Buffer.from("given")));
  assert.deepEqual(transaction!.detail, [{ type: "put", key: "third", value: Buffer.from("given"), ttlMs: 0 }]);
  batch!.forEachLeader((leader) => batch!.succeed(leader, true));
  batch!.complete();
  assert.equal(String(endings.find(({ name }) => name === "key:0")?.result), "given");
});

test("a call that was never sent lets go of its bytes when it is given up, whatever waits before it", async () => {
  const { pipeline, pass, endings, turns } = scene(true);
  const requests: Request[] = [];
  const call = (key: string, kind: Kind, timeoutMs: number, detail?: RequestDetail): void => {
    const request = new Request(kind, key, kind === Kind.put ? "v".repeat(100) : undefined, 0, detail, 0, timeoutMs);
    request.resolve = () => {};
    request.reject = (error) => endings.push({ name: key, code: (error as StateError).code, atMs: 0 });
    requests.push(request);
    pipeline.submit(request);
  };
  call("patient", Kind.put, 600_000);
  call("put", Kind.put, 100);
  call("swap", Kind.compareAndSwap, 100, { expected: "a", next: "b" });
  call("transaction", Kind.transaction, 100, [{ type: "put", key: "x", value: "v", ttlMs: 0 }]);
  await turns();
  await pass(200);
  assert.equal(endings.length, 3);
  assert.deepEqual(
    requests.map(({ value, detail }) => [value?.length, detail]),
    [
      [100, undefined],
      [undefined, undefined],
      [undefined, undefined],
      [undefined, []],
    ],
  );
});

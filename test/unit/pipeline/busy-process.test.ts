import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../../src/backends/batch.js";
import type { Driver } from "../../../src/backends/contract.js";
import { Kind, Request } from "../../../src/backends/request.js";
import type { BatchCodec } from "../../../src/codec/batch-codec.js";
import { openCompressor } from "../../../src/codec/compression/open-compressor.js";
import { Envelope } from "../../../src/codec/envelope.js";
import type { StateError } from "../../../src/core/errors.js";
import { Pipeline, type PipelineCodec } from "../../../src/pipeline/pipeline.js";
import type { PipelineWatcher } from "../../../src/pipeline/pipeline-watcher.js";
import { VirtualLoop } from "../../support/virtual-loop.js";

const OPERATION_MS = 3000;
const HALF_AN_HOUR_MS = 1_800_000;
const LONG = "a value of some length ".repeat(40);

interface Shape {
  readonly maxInFlight?: number;
  readonly maxSize?: number;
  readonly failures?: number;
  readonly onFailed?: () => void;
  readonly codec?: PipelineCodec;
}

/** A pipeline over a store that answers when a test says so, in a process that is busy when a test says so. */
function scene({ maxInFlight = 8, maxSize = 64, failures = 10, onFailed, codec }: Shape = {}) {
  const loop = new VirtualLoop();
  const sent: string[] = [];
  const batches: Batch[] = [];
  const driver = {
    name: "held",
    capabilities: { maxInFlight, expiry: true, transactions: true, eagerBatchSize: 4 },
    execute: (batch: Batch) => {
      batches.push(batch);
      batch.forEachLeader((leader) => void sent.push(`${leader.key} ${leader.settled ? "settled" : ""}`.trim()));
    },
  } as unknown as Driver;
  const watcher = {
    ...{ slowUs: 2 ** 30, slow() {}, retried() {}, circuitChanged() {}, failed: () => onFailed?.() },
  } as unknown as PipelineWatcher;
  const options = {
    ...{
      maxSize,
      maxBytes: 1 << 20,
      maxInFlight,
      lingerMs: 0,
      maxPending: 100_000,
      overflow: "wait" as const,
      watcher,
    },
    ...{ operationMs: OPERATION_MS, retry: { retries: 0, baseDelayMs: 1, maxDelayMs: 1, jitter: 0 } },
    circuitBreaker: { failures, resetMs: 60_000 },
  };
  const pipeline = new Pipeline(driver, options, codec, loop);
  const endings = new Map<string, string>();
  return {
    ...{ loop, sent, batches, pipeline, endings },
    put(key: string, timeoutMs = OPERATION_MS, value = "value", signal?: AbortSignal): void {
      const request = new Request(Kind.put, key, value, 0, undefined, pipeline.nowUs(), timeoutMs);
      request.signal = signal;
      request.resolve = () => void endings.set(key, "ok");
      request.reject = (error) => {
        const { code, outcome } = error as StateError;
        endings.set(key, `${code} ${outcome}`);
      };
      pipeline.submit(request);
    },
    answer(batch: Batch): void {
      batch.forEachLeader((leader) => batch.succeed(leader, undefined));
      batch.complete();
    },
  };
}

async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Puts that were sent, and a process that was busy until long after their deadlines. */
async function callsBeforeStall(count: number) {
  const stage = scene({ maxSize: 1, maxInFlight: count });
  for (let index = 0; index < count; index++) stage.put(`key ${index}`, 100);
  await turns();
  assert.equal(stage.batches.length, count);
  stage.loop.work(500);
  stage.loop.clock.advance(100);
  /** One after the other, over turns of five milliseconds each. */
  const answerFirst = async (answered: number): Promise<void> => {
    for (const batch of stage.batches.slice(0, answered)) {
      await turns(2);
      stage.loop.work(5);
      stage.answer(batch);
    }
    await turns();
  };
  return { ...stage, answerFirst };
}

/** Values are compressed elsewhere, and are there when the test says so. */
function slowCodec() {
  const compressor = openCompressor("zstd");
  const envelope = new Envelope({
    ...{ checksum: "crc32", compressor, thresholdBytes: 64, decompressors: [compressor], maxValueBytes: 1 << 20 },
  });
  const under = { finish: (): void => {} };
  const batchCodec = {
    worthOffloading: (direction: string) => direction === "encode",
    worthSpreading: () => false,
    observeSettled() {},
    observeInline() {},
    encode: (values: readonly string[], checksums: Uint32Array) =>
      new Promise((resolve) => {
        under.finish = () => resolve(values.map((value, index) => envelope.encode(checksums[index]!, value)));
      }),
  } as unknown as BatchCodec;
  return { under, codec: { codec: envelope, batchCodec, keyChecksum: () => 7 } };
}

test("what waited for its compression while this process was busy past its deadline does not leave", async () => {
  const { under, codec } = slowCodec();
  const { loop, sent, put, endings } = scene({ codec });
  put("hurried", 20, LONG);
  put("patient", 2000, LONG);
  await turns();
  loop.work(60);
  under.finish();
  await turns();
  // The timer comes to its turn only now.
  loop.clock.advance(20);
  await turns();
  assert.deepEqual(sent, ["patient"]);
  assert.equal(endings.get("hurried"), "TIMEOUT not-applied");
});

test("what was held back while deadlines were looked at leaves afterwards", async () => {
  const { loop, sent, put, endings } = scene();
  put("hurried", 20);
  put("patient");
  loop.work(60);
  // Without the timer, which is no reason for a process to stay: it may have nothing else to do.
  await turns();
  assert.deepEqual([sent, endings.get("hurried")], [["patient"], "TIMEOUT not-applied"]);
});

test("whoever is told of an abort may call the engine: none of those that are aborted with it leaves", async () => {
  let told = 0;
  const { sent, put, endings } = scene({ onFailed: () => told++ < 4 && put(`audit ${told}`) });
  const controller = new AbortController();
  for (let index = 0; index < 3; index++) put(`aborted ${index}`, OPERATION_MS, "value", controller.signal);
  controller.abort();
  await turns();
  assert.deepEqual(sent, ["audit 1", "audit 2", "audit 3"]);
  assert.deepEqual([...endings.values()], Array(3).fill("ABORTED not-applied"));
});

test("whoever is told of a failure may call the engine: nothing leaves out of order or too late for it", async () => {
  const { under, codec } = slowCodec();
  let told = 0;
  const { loop, sent, put, endings } = scene({ codec, onFailed: () => told++ < 3 && put(`audit ${told}`) });
  put("key", 2000, LONG);
  await turns();
  put("hurried", 20);
  for (let index = 0; index < 3; index++) put(`also hurried ${index}`, 20);
  put("key", 2000);
  loop.work(60);
  under.finish();
  await turns();
  loop.clock.advance(20);
  await turns();
  assert.deepEqual(sent.slice(0, 2), ["key", "key"]);
  assert.deepEqual(sent.slice(2).sort(), ["audit 1", "audit 2", "audit 3"]);
  assert.equal([...endings.values()].filter((ending) => ending === "TIMEOUT not-applied").length, 4);
});

test("answers that take several turns to be read all count after a stall, and what has none is given up then", async () => {
  const { loop, endings, answerFirst } = await callsBeforeStall(8);
  await answerFirst(7);
  assert.equal([...endings.values()].filter((ending) => ending === "ok").length, 7);
  assert.equal(endings.get("key 7"), undefined);
  loop.work(11);
  await turns();
  assert.equal(endings.get("key 7"), "TIMEOUT unknown");
});

test("while answers never end, what has none waits no longer than a tenth of a second", async () => {
  const { endings, answerFirst } = await callsBeforeStall(40);
  await answerFirst(30);
  assert.equal(endings.get("key 39"), "TIMEOUT unknown");
});

test("a process that was late by little reads no longer than that", async () => {
  const { loop, put, endings } = scene();
  put("key", 100);
  await turns();
  loop.work(4);
  loop.clock.advance(100);
  await turns();
  assert.equal(endings.get("key"), undefined);
  loop.work(5);
  await turns();
  assert.equal(endings.get("key"), "TIMEOUT unknown");
});

test("a deadline that passes while others are looked at is not judged before answers to it could be read", async () => {
  const { loop, put, batches, answer, endings } = scene({ maxSize: 1 });
  put("first", 100);
  put("second", 150);
  await turns();
  loop.clock.advance(100);
  // Before the sockets of this turn have been read somebody takes his time.
  loop.work(70);
  await turns();
  assert.deepEqual([...endings], [["first", "TIMEOUT unknown"]]);
  answer(batches[1]!);
  assert.equal(endings.get("second"), "ok");
});

test("what a busy process did not send in time says nothing about the store", async () => {
  const { loop, put, pipeline, endings } = scene({ maxSize: 1, maxInFlight: 1, failures: 2 });
  for (let index = 0; index < 6; index++) put(`key ${index}`);
  await turns();
  loop.work(OPERATION_MS + 500);
  loop.clock.advance(OPERATION_MS);
  await turns();
  loop.work(11);
  await turns();
  assert.equal(endings.get("key 5"), "TIMEOUT not-applied");
  assert.equal(endings.get("key 0"), "TIMEOUT unknown");
  assert.equal(pipeline.circuit, "closed");
});

test("a process that was stopped for longer than requests can tell gives up what was called before", async () => {
  for (const stoppedMs of [HALF_AN_HOUR_MS, 40 * 60_000, 80 * 60_000]) {
    const { loop, put, sent, endings } = scene({ maxSize: 1, maxInFlight: 1 });
    put("sent", 20);
    put("queued", 20);
    await turns();
    loop.work(stoppedMs);
    loop.clock.advance(20);
    await turns();
    loop.work(11);
    await turns();
    assert.deepEqual([endings.get("sent"), endings.get("queued")], ["TIMEOUT unknown", "TIMEOUT not-applied"]);
    assert.deepEqual(sent, ["sent"]);
  }
});

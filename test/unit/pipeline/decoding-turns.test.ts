import assert from "node:assert/strict";
import { test } from "node:test";
import type { UndecodedRead } from "../../../src/backends/batch.js";
import type { Request } from "../../../src/backends/request.js";
import { Envelope } from "../../../src/codec/envelope.js";
import { CorruptValueError, type StateError } from "../../../src/core/errors.js";
import { type EventLoop, systemLoop } from "../../../src/core/event-loop.js";
import { DecodingTurns } from "../../../src/pipeline/decoding-turns.js";

const codec = new Envelope({
  ...{ checksum: "crc32", compressor: undefined, decompressors: [] },
  ...{ thresholdBytes: 1024, maxValueBytes: 1024 },
});

/** Its clock goes on by as much each time it is read. */
function steppedLoop(stepMs: number): { loop: EventLoop; turn: () => boolean } {
  let nowMs = 0;
  const next: (() => void)[] = [];
  const loop = { ...systemLoop, nowMs: () => (nowMs += stepMs), inNextTurn: (run: () => void) => void next.push(run) };
  const turn = (): boolean => {
    for (const run of next.splice(0)) run();
    return next.length > 0;
  };
  return { loop, turn };
}

function readsOf(count: number): UndecodedRead[] {
  return Array.from({ length: count }, (_, index) => {
    const leader = { key: `key${index}` } as unknown as Request;
    return { leader, stored: codec.encode(index, `value ${index}`), keyChecksum: index };
  });
}

test("values are decoded in the order given, a few in each turn", async () => {
  const { loop, turn } = steppedLoop(0.4);
  const turns = new DecodingTurns(codec, loop);
  const settled: string[] = [];
  const settle = (leader: Request, result: Buffer | StateError): void => {
    settled.push(`${leader.key}: ${String(result)}`);
  };
  const first = turns.decode(readsOf(8), settle);
  const second = turns.decode(readsOf(2), settle);
  assert.deepEqual(settled, [], "nothing in the turn of the call");
  let count = 1;
  let before = settled.length;
  while (turn()) {
    count++;
    assert.ok(settled.length > before, "each turn gets on");
    before = settled.length;
  }
  assert.ok(count > 2);
  await Promise.all([first, second]);
  const expected = (length: number): string[] => Array.from({ length }, (_, i) => `key${i}: value ${i}`);
  assert.deepEqual(settled, [...expected(8), ...expected(2)]);
  const third = turns.decode(readsOf(1), settle);
  assert.equal(turn(), false, "it begins again after it was done");
  await third;
  assert.equal(settled.length, 11);
});

test("a damaged value fails alone", async () => {
  const { loop, turn } = steppedLoop(0);
  const reads = readsOf(3);
  reads[1]!.stored[9]! ^= 1;
  const results: unknown[] = [];
  const done = new DecodingTurns(codec, loop).decode(reads, (_, result) => void results.push(result));
  assert.equal(turn(), false);
  await done;
  assert.equal(String(results[0]), "value 0");
  assert.ok(results[1] instanceof CorruptValueError);
  assert.equal(String(results[2]), "value 2");
});

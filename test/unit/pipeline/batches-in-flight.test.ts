import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch, type BatchOwner } from "../../../src/backends/batch.js";
import { Kind, Request } from "../../../src/backends/request.js";
import { BatchesInFlight } from "../../../src/pipeline/batches-in-flight.js";

const owner = {} as BatchOwner;

function batchOf(sequence: number, kind: Kind, keys: readonly string[]): Batch {
  const batch = new Batch(owner);
  batch.sequence = sequence;
  for (const key of keys) {
    const request = new Request(kind, key, kind === Kind.put ? "value" : undefined, 0, undefined, 0, 1000);
    (kind === Kind.put ? batch.puts : batch.reads).push(request);
  }
  return batch;
}

test("of batches completed before an older one their keys are known, and nothing else is kept", () => {
  const inFlight = new BatchesInFlight();
  const [slow, writing, reading] = [
    batchOf(1, Kind.get, ["slow"]),
    batchOf(2, Kind.put, ["written"]),
    batchOf(3, Kind.get, ["read"]),
  ];
  for (const batch of [slow, writing, reading]) inFlight.add(batch);
  for (const batch of [writing, reading]) inFlight.remove(batch);
  assert.ok(inFlight.someLater(slow, (later) => later.writes("written")));
  assert.ok(inFlight.someLater(slow, (later) => later.touches("read")));
  assert.ok(!inFlight.someLater(slow, (later) => later.writes("read") || later.touches("other")));
  assert.ok(!inFlight.someLater(slow, (later) => later instanceof Batch));
  assert.equal(inFlight.remove(slow), Number.POSITIVE_INFINITY);
  const next = batchOf(4, Kind.get, []);
  inFlight.add(next);
  assert.ok(!inFlight.someLater(next, () => true));
});

test("a transaction of very many steps is remembered as any other", () => {
  const inFlight = new BatchesInFlight();
  const [slow, large] = [batchOf(1, Kind.get, ["slow"]), batchOf(2, Kind.get, [])];
  const steps = Array.from({ length: 300_000 }, (_, index) => ({ type: "delete" as const, key: `k${index}` }));
  large.others.push(new Request(Kind.transaction, "k0", undefined, 0, steps, 0, 1000));
  for (const batch of [slow, large]) inFlight.add(batch);
  assert.equal(inFlight.remove(large), 1);
  assert.ok(inFlight.someLater(slow, (later) => later.writes("k1")));
});

test("behind one slow batch only so many keys are remembered; beyond, every key may have been touched", () => {
  const inFlight = new BatchesInFlight();
  const slow = batchOf(1, Kind.get, ["slow"]);
  inFlight.add(slow);
  let sequence = 1;
  const complete = (keys: number): void => {
    sequence++;
    const batch = batchOf(
      sequence,
      Kind.put,
      Array.from({ length: keys }, (_, index) => `${sequence}:${index}`),
    );
    inFlight.add(batch);
    inFlight.remove(batch);
  };
  for (let round = 0; round < 100; round++) complete(500);
  assert.ok(!inFlight.someLater(slow, (later) => later.touches("untouched")));
  complete(500);
  assert.ok(inFlight.someLater(slow, (later) => later.touches("untouched")));
  const younger = batchOf(sequence + 1, Kind.get, ["x"]);
  inFlight.add(younger);
  assert.ok(!inFlight.someLater(younger, () => true));
});

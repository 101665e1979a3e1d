import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch } from "../../../../src/backends/batch.js";
import { BatchSpread } from "../../../../src/backends/redis/batch-spread.js";
import type { Lane } from "../../../../src/backends/redis/lane.js";
import { Kind, Request, type TransactionStep } from "../../../../src/backends/request.js";
import { ConnectionError } from "../../../../src/core/errors.js";
import { keyHash } from "../../../../src/core/key-hash.js";

const LANES = 3;

/** A lane that notes what it is given, and answers when it is told to. */
class NotedLane {
  isOpen = true;
  isIdle = true;
  hasUnsentBytes = false;
  refuses = false;
  destroyed = 0;
  readonly sent: Batch[] = [];

  send(batch: Batch): void {
    if (this.refuses) return;
    this.isIdle = false;
    this.sent.push(batch);
  }

  destroy(): void {
    this.destroyed++;
  }
}

function scene() {
  const noted = Array.from({ length: LANES }, () => new NotedLane());
  const spread = new BatchSpread({
    send: (lane, batch, isPart) => lane.send(batch, isPart),
    isElsewhere: () => false,
    awaitQuiet: () => {},
    onBatchEnded: () => {},
    notConnected: () => new ConnectionError("not connected"),
  });
  return { noted, lanes: noted as unknown as readonly Lane[], spread };
}

function newBatch(): Batch {
  return new Batch({
    nowUs: () => 1,
    requestSucceeded: () => {},
    requestFailed: () => {},
    batchCompleted: () => {},
    defersDecoding: () => false,
  });
}

/** The first key that belongs to this lane. */
function keyOf(lane: number): string {
  for (let i = 0; ; i++) if ((keyHash(`key ${i}`) >>> 1) % LANES === lane) return `key ${i}`;
}

function putOn(lane: number): Batch {
  const batch = newBatch();
  batch.puts.push(new Request(Kind.put, keyOf(lane), "value", 0, undefined, 0, 1000));
  return batch;
}

function transactionOn(...positions: number[]): Batch {
  const batch = newBatch();
  const steps: TransactionStep[] = positions.map((lane) => ({
    type: "put",
    key: keyOf(lane),
    value: "value",
    ttlMs: 0,
  }));
  batch.others.push(new Request(Kind.transaction, "", undefined, 0, steps, 0, 1000));
  return batch;
}

test("what is sent while a transaction over several lanes is under way waits for its end", () => {
  const { noted, lanes, spread } = scene();
  const transaction = transactionOn(1, 2);
  const behind = putOn(2);
  spread.send(transaction, lanes);
  assert.equal(spread.sendHeld(lanes), true);
  assert.deepEqual(noted[0]!.sent, [transaction]);
  spread.send(behind, lanes);
  assert.deepEqual(noted[2]!.sent, [], "it went past the transaction");
  noted[0]!.isIdle = true;
  assert.equal(spread.sendHeld(lanes), true);
  assert.deepEqual(noted[0]!.sent, [transaction, behind]);
  noted[0]!.isIdle = true;
  assert.equal(spread.sendHeld(lanes), false);
  const free = putOn(2);
  spread.send(free, lanes);
  assert.deepEqual(noted[2]!.sent, [free]);
});

test("a transaction that was given up half sent ends the connection that it is sent over, whatever its keys", () => {
  const { noted, lanes, spread } = scene();
  const transaction = transactionOn(1, 2);
  spread.send(transaction, lanes);
  spread.sendHeld(lanes);
  for (const lane of noted) lane.hasUnsentBytes = true;
  spread.abandon(transaction, lanes, () => new ConnectionError("given up"));
  assert.deepEqual(
    noted.map(({ destroyed }) => destroyed),
    [1, 0, 0],
  );
});

test("a batch that was given up half sent ends the connections that hold some of it, and no others", () => {
  const { noted, lanes, spread } = scene();
  const batch = putOn(1);
  batch.puts.push(...putOn(2).puts);
  spread.send(batch, lanes);
  spread.abandon(batch, lanes, () => new ConnectionError("given up"));
  for (const lane of noted.slice(0, 2)) lane.hasUnsentBytes = true;
  spread.abandon(batch, lanes, () => new ConnectionError("given up"));
  assert.deepEqual(
    noted.map(({ destroyed }) => destroyed),
    [0, 1, 0],
  );
});

test("a held batch that cannot be encoded is not waited for", () => {
  const { noted, lanes, spread } = scene();
  spread.send(transactionOn(0, 1), lanes);
  noted[0]!.refuses = true;
  assert.equal(spread.sendHeld(lanes), false);
  const free = putOn(2);
  spread.send(free, lanes);
  assert.deepEqual(noted[2]!.sent, [free]);
});

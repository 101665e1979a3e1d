import assert from "node:assert/strict";
import { test } from "node:test";
import { Kind, Request, type TransactionStep } from "../../../src/backends/request.js";
import { RequestQueue } from "../../../src/pipeline/request-queue.js";
import { INDIFFERENT_OWNER } from "../../support/indifferent-owner.js";

function queueOf(maxSize: number): RequestQueue {
  return new RequestQueue(INDIFFERENT_OWNER, { maxSize, maxBytes: 1 << 20 }, () => {});
}

function swap(key: string): Request {
  return new Request(Kind.compareAndSwap, key, "new", 0, { expected: null, next: "new" }, 0, 1000);
}

function get(key: string): Request {
  return new Request(Kind.get, key, undefined, 0, undefined, 0, 1000);
}

test("what waited for a swap that failed stays behind it, though the swap came back and could not leave before", () => {
  const queue = queueOf(512);
  const first = swap("key");
  queue.push(first);
  const batch = queue.plan(1)!;
  const second = get("key");
  queue.push(second);
  assert.equal(queue.plan(1), undefined);
  queue.putBack([first]);
  // The swap is taken back, and then there is nothing that it could be sent over.
  queue.passMarks(1, 0);
  queue.release(batch);
  const next = queue.plan(1)!;
  assert.deepEqual([next.others, next.reads], [[first], []]);
  assert.equal(queue.plan(1), undefined);
  queue.release(next);
  assert.deepEqual(queue.plan(1)!.reads, [second]);
});

test("those that come back one after the other leave in the order in which they were called", () => {
  const queue = queueOf(2);
  const calls = ["a", "b", "c", "d", "e", "f"].map(get);
  for (const call of calls) queue.push(call);
  const plans = () => {
    const reads: Request[] = [];
    for (let batch = queue.plan(1); batch !== undefined; batch = queue.plan(1)) reads.push(...batch.reads);
    return reads.map(({ key }) => key).join("");
  };
  assert.equal(plans(), "abcdef");
  queue.putBack([calls[2]!, calls[0]!, calls[1]!]);
  assert.deepEqual(queue.plan(1)!.reads, [calls[0], calls[1]]);
  queue.putBack([calls[5]!, calls[3]!]);
  queue.push(get("g"));
  assert.equal(plans(), "cdfg");
});

test("what was answered behind one that waits is let go, unless something waits for its place in the order", () => {
  for (const isMarked of [false, true]) {
    const queue = queueOf(512);
    const calls = Array.from({ length: 10_000 }, (_, index) => get(`k${index}`));
    for (const call of calls) queue.push(call);
    let passed = false;
    if (isMarked) queue.mark(false, () => (passed = true));
    for (const call of calls.slice(1, -1)) call.settled = true;
    queue.dropAnswered(calls.length - 2);
    assert.equal(queue.size, isMarked ? calls.length : 2);
    queue.push(get("later"));
    assert.deepEqual(
      queue.plan(1)!.reads.map(({ key }) => key),
      isMarked ? ["k0", "k9999"] : ["k0", "k9999", "later"],
    );
    queue.passMarks(0, 0);
    assert.equal(passed, isMarked);
  }
});

test("a batch that is planned again without what was given up stays apart", () => {
  const queue = queueOf(512);
  const calls = ["a", "b"].map(get);
  queue.putBackApart(calls, 8);
  queue.putBackApart(calls.slice(0, 1), 1);
  const batch = queue.plan(1)!;
  calls[1]!.settled = true;
  assert.deepEqual([batch.mostTogether, queue.planAgain(batch).mostTogether], [1, 1]);
  queue.push(get("c"));
  assert.equal(queue.plan(2)!.mostTogether, Number.POSITIVE_INFINITY);
});

test("a batch is no larger than its driver finds worth while, until two such wait, and never above the limit", () => {
  const sizesOf = (batchSize: number | undefined, waiting: number, maxSize = 40): number[] => {
    const queue = new RequestQueue(INDIFFERENT_OWNER, { maxSize, maxBytes: 1 << 20, batchSize }, () => {});
    for (let i = 0; i < waiting; i++) queue.push(get(String(i)));
    const sizes: number[] = [];
    for (let batch = queue.plan(1); batch !== undefined; batch = queue.plan(1)) sizes.push(batch.size);
    return sizes;
  };
  assert.deepEqual(sizesOf(10, 25), [12, 10, 3]);
  assert.deepEqual(sizesOf(10, 60), [30, 15, 10, 5]);
  assert.deepEqual(sizesOf(10, 200).slice(0, 2), [40, 40]);
  assert.deepEqual(sizesOf(50, 60), [40, 20]);
  assert.deepEqual(sizesOf(undefined, 60), [40, 20]);
});

test("where only reads are to leave, those of a transaction's keys that waits do not, and it is overtaken by others", () => {
  const queue = queueOf(512);
  const steps: TransactionStep[] = [
    { type: "delete", key: "a" },
    { type: "delete", key: "b" },
  ];
  const transaction = new Request(Kind.transaction, "a", undefined, 0, steps, 0, 1000);
  const [before, within, other] = [get("b"), get("b"), get("c")];
  for (const call of [before, transaction, within, other]) queue.push(call);
  assert.deepEqual(queue.plan(1, true)!.reads, [before, other]);
  assert.equal(queue.plan(2, true), undefined);
  assert.deepEqual(queue.plan(2)!.others, [transaction]);
  assert.deepEqual(queue.plan(3)!.reads, [within]);
});

test("gets count with what they are taken to bring, so that few large answers make a batch", () => {
  const cuts: string[] = [];
  const queue = new RequestQueue(INDIFFERENT_OWNER, { maxSize: 512, maxBytes: 10_000 }, (cut) => cuts.push(cut));
  const put = new Request(Kind.put, "put", "v".repeat(2000), 0, undefined, 0, 1000);
  for (let i = 0; i < 12; i++) queue.push(get(`k${i}`));
  queue.push(put);
  const sizes = [0, 3000, 20_000, 0].map((readBytes) => queue.plan(1, false, readBytes)?.size);
  assert.deepEqual([sizes, cuts], [[13, undefined, undefined, undefined], ["turn"]]);
  for (let i = 0; i < 12; i++) queue.push(get(`k${i}`));
  queue.push(put);
  const some = queue.plan(1, false, 3000)!;
  const one = queue.plan(2, false, 20_000)!;
  const rest = queue.plan(3, false, 990)!;
  assert.deepEqual([some.reads.length, one.reads.length, rest.reads.length, rest.puts.length], [3, 1, 8, 1]);
  assert.deepEqual(cuts.slice(1), ["bytes", "bytes", "turn"]);
  assert.equal(some.bytes, 6, "its own bytes are what it sends");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { Kind, Request, type RequestDetail, type TransactionStep } from "../../../src/backends/request.js";
import { keyHash } from "../../../src/core/key-hash.js";
import { RequestQueue } from "../../../src/pipeline/request-queue.js";
import { INDIFFERENT_OWNER } from "../../support/indifferent-owner.js";

function requestOf(kind: Kind, key: string, detail?: RequestDetail): Request {
  return new Request(kind, key, kind === Kind.put ? "value" : undefined, 0, detail, 0, 1000);
}

const get = (key: string): Request => requestOf(Kind.get, key);

function transaction(...keys: string[]): Request {
  const steps = keys.map((key): TransactionStep => ({ type: "delete", key }));
  return requestOf(Kind.transaction, keys[0]!, steps);
}

/** A queue for a driver whose next batch is to have none of these keys, and who was asked for a choice with which in front. */
function openScene(...requests: Request[]) {
  const unwanted = new Set<string>();
  const asked: string[] = [];
  const choice = {
    suits(key: string, hash: number): boolean {
      assert.equal(hash, keyHash(key));
      return !unwanted.has(key);
    },
  };
  const queue = new RequestQueue(
    INDIFFERENT_OWNER,
    { maxSize: 4, maxBytes: 1 << 20 },
    () => {},
    (first) => {
      asked.push(first.key);
      return choice;
    },
  );
  for (const request of requests) queue.push(request);
  /** Keys of the next batch, in the order of the calls. */
  const next = (withoutWrites = false): string[] | undefined => {
    const batch = queue.plan(1, withoutWrites);
    if (batch === undefined) return undefined;
    const planned: Request[] = [];
    batch.forEachRequest((request) => planned.push(request));
    return planned.sort((a, b) => a.order - b.order).map(({ key }) => key);
  };
  return { queue, unwanted, asked, choice, next };
}

test("requests of keys that do not suit stay in front, in their order, until a batch that they suit", () => {
  const { queue, unwanted, asked, next } = openScene(...["a", "b", "c", "a", "b", "d", "e", "f"].map(get));
  unwanted.add("a").add("e");
  assert.deepEqual(next(), ["b", "c", "b", "d"]);
  assert.equal(queue.size, 4);
  assert.deepEqual(next(), ["f"]);
  assert.equal(next(), undefined, "nothing but what does not suit");
  assert.equal(queue.size, 3);
  queue.push(get("a"));
  unwanted.delete("a");
  assert.deepEqual(next(), ["a", "a", "a"]);
  unwanted.delete("e");
  assert.deepEqual(next(), ["e"]);
  assert.equal(next(), undefined);
  assert.deepEqual(asked, ["a", "a", "a", "a", "e"]);
});

test("a batch knows its choice, unless it has a transaction, about which nobody was asked", () => {
  const { queue, choice } = openScene(get("a"));
  assert.equal(queue.plan(1)!.choice, choice);
  queue.push(transaction("a", "b"));
  queue.push(get("c"));
  const batch = queue.plan(1)!;
  assert.deepEqual([batch.reads.length, batch.others.length], [1, 1]);
  assert.equal(batch.choice, undefined);
});

test("a transaction waits for what stays in front of it, and what is behind it waits as well", () => {
  const { unwanted, next } = openScene(get("a"), get("b"), transaction("c", "a"), get("d"));
  unwanted.add("a").add("c");
  assert.deepEqual(next(), ["b"]);
  assert.equal(next(), undefined);
  unwanted.clear();
  assert.deepEqual(next(), ["a"], "with the same key as the transaction");
  assert.deepEqual(next(), ["c", "d"]);
});

test("nothing stays while a flush waits, and it passes when all that was called before has left", () => {
  const { queue, unwanted, asked, next } = openScene(...["a", "b", "c", "d", "e"].map(get));
  unwanted.add("a");
  assert.deepEqual(next(), ["b", "c", "d", "e"]);
  let passed = false;
  queue.mark(false, () => (passed = true));
  queue.push(get("f"));
  queue.passMarks(0, 1);
  assert.equal(passed, false, "one that was called before is still here");
  assert.deepEqual(next(), ["a"]);
  assert.deepEqual(asked, ["a"]);
  queue.passMarks(0, 2);
  assert.equal(passed, true);
  assert.deepEqual(next(), ["f"]);
});

test("what comes back and does not suit stays in front of what was called after it", () => {
  const { queue, unwanted, next } = openScene(...["a", "b", "c", "d"].map(get));
  const requests: Request[] = [];
  queue.plan(1)!.forEachRequest((request) => requests.push(request));
  for (const key of ["e", "a"]) queue.push(get(key));
  unwanted.add("a").add("e");
  queue.putBack([requests[1]!, requests[0]!]);
  assert.deepEqual(next(), ["b"]);
  queue.putBack([requests[3]!]);
  assert.deepEqual(next(), ["d"]);
  unwanted.clear();
  const batch = queue.plan(1)!;
  assert.deepEqual(
    batch.reads.map(({ key }) => key),
    ["a", "e"],
  );
  assert.equal(batch.reads[0], requests[0], "the one that was called first");
});

test("of reads that are to leave without writes those that suit do", () => {
  const { unwanted, next } = openScene(
    requestOf(Kind.put, "a"),
    get("b"),
    get("c"),
    get("a"),
    requestOf(Kind.put, "d"),
  );
  unwanted.add("b");
  assert.deepEqual(next(true), ["c"]);
  assert.equal(next(true), undefined);
  unwanted.clear();
  assert.deepEqual(next(true), ["b"]);
  assert.deepEqual(next(), ["a", "a", "d"]);
});

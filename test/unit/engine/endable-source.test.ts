import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { EndableSource } from "../../../src/engine/endable-source.js";

const ended = new Error("ended");
const endable = <T>(entries: Iterable<T> | AsyncIterable<T>): EndableSource<T> =>
  new EndableSource(entries, () => ended);

/** An iterator that gives one entry, and then owes the next for good; it counts how often it was told to stop. */
function owing() {
  const told = { returns: 0 };
  let given = 0;
  const entries: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => ({
      next: () => (given++ === 0 ? Promise.resolve({ done: false, value: "first" }) : new Promise(() => {})),
      return: () => {
        told.returns++;
        return new Promise(() => {});
      },
    }),
  };
  return { entries, told };
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const entry of source) all.push(entry);
  return all;
}

async function* promptly(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i;
}

async function* aTurnEach(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) {
    await nextTurn();
    yield i;
  }
}

test("it gives what the iterable gives, of either kind, and what its promises come to", async () => {
  assert.deepEqual(await collect(endable([1, 2, 3])), [1, 2, 3]);
  assert.deepEqual(await collect(endable(promptly(3))), [0, 1, 2]);
  assert.deepEqual(await collect(endable<unknown>([Promise.resolve(1), 2])), [1, 2]);
});

test("one that owes an entry when it is hurried, or asked for one later, is ended and told so once", async () => {
  for (const isHurriedFirst of [true, false]) {
    const { entries, told } = owing();
    const source = endable(entries);
    if (isHurriedFirst) source.hurry();
    const all = assert.rejects(collect(source), ended);
    await nextTurn();
    source.hurry();
    await all;
    source.end();
    assert.equal(told.returns, 1);
    await assert.rejects(source.next(), ended);
  }
});

test("one that gives within the turn comes to its end, hurried or not", async () => {
  const source = endable(promptly(1000));
  source.hurry();
  assert.equal((await collect(source)).length, 1000);
  const slow = endable(aTurnEach(1000));
  slow.hurry();
  await assert.rejects(collect(slow), ended);
});

test("a consumer that wants no more does not wait for an iterator that does not stop", async () => {
  const { entries, told } = owing();
  const source = endable(entries);
  const stopped = (async () => {
    for await (const _ of source) break;
  })();
  await nextTurn();
  source.hurry();
  await assert.rejects(stopped, ended);
  assert.equal(told.returns, 1);
});

test("what the iterable throws is thrown, and it is not told to stop", async () => {
  const cause = new Error("mine");
  const throwing = {
    [Symbol.iterator]: (): Iterator<string> => {
      throw cause;
    },
  };
  await assert.rejects(collect(endable(throwing)), cause);
  const source = endable(throwing);
  source.end();
  await assert.rejects(collect(source), ended);
});

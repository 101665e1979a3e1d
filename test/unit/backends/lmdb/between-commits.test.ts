import assert from "node:assert/strict";
import { test } from "node:test";
import * as betweenCommits from "../../../../src/backends/lmdb/between-commits.js";
import type { CommitQueue } from "../../../../src/backends/lmdb/commit-queue.js";

/** As a queue: whoever is the first to hold it waits until it is told to rest. */
class FakeQueue {
  holds = 0;
  rest: () => void = () => {};
  #resting: Promise<void> | undefined = new Promise<void>((resolve) => {
    this.rest = resolve;
  });

  async hold(): Promise<void> {
    this.holds++;
    const resting = this.#resting;
    this.#resting = undefined;
    await resting;
  }

  release(): void {
    this.holds--;
  }
}

const { forgetQueue } = betweenCommits;
const openBetweenCommits = (directory: string, open: () => { readonly queue: CommitQueue }, limitMs = 60_000) =>
  betweenCommits.openBetweenCommits(directory, open, limitMs);
const opened = (queue: FakeQueue) => ({ queue: queue as unknown as CommitQueue });
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a store is opened when all queues of its directory rest, those too that came while it waited", async () => {
  const [first, second, third, elsewhere] = [new FakeQueue(), new FakeQueue(), new FakeQueue(), new FakeQueue()];
  await openBetweenCommits("other", () => opened(elsewhere));
  await openBetweenCommits("one", () => opened(first));
  let open = false;
  const opening = openBetweenCommits("one", () => {
    assert.deepEqual([first.holds, second.holds, elsewhere.holds], [1, 1, 0]);
    open = true;
    return opened(third);
  });
  await openBetweenCommits("one", () => opened(second));
  first.rest();
  await turn();
  assert.deepEqual([open, second.holds], [false, 1]);
  second.rest();
  await opening;
  assert.deepEqual([first.holds, second.holds], [0, 0]);
});

test("a store that cannot be opened leaves the others at work, and one that was closed is not waited for", async () => {
  const [first, second] = [new FakeQueue(), new FakeQueue()];
  await openBetweenCommits("two", () => opened(first));
  first.rest();
  const failing = openBetweenCommits("two", () => {
    throw new Error("no room");
  });
  await assert.rejects(failing, /no room/);
  assert.equal(first.holds, 0);
  const closed = new FakeQueue();
  await openBetweenCommits("two", () => opened(closed));
  forgetQueue("two", closed as unknown as CommitQueue);
  await openBetweenCommits("two", () => opened(second));
});

test("a queue that does not come to rest is not waited for beyond the limit, and goes on", async () => {
  const [stuck, second] = [new FakeQueue(), new FakeQueue()];
  await openBetweenCommits("three", () => opened(stuck));
  await assert.rejects(
    openBetweenCommits("three", () => opened(second), 20),
    /under way for more than 20 ms/,
  );
  assert.equal(stuck.holds, 0);
});
